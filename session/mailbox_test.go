package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"

	"parlor/session/terms"
)

// world is what a client makes of events: the users that are there, with their names and streams.
type world map[string]seen

type seen struct{ name, streams string }

func seenOf(u terms.UserState) seen { return seen{u.Name, fmt.Sprint(u.Role, u.Streams)} }

// apply does what a client does, and fails on an event that makes no sense to it.
func (w world) apply(e terms.Event) error {
	was, there := w[e.User.User]
	switch e.Type {
	case terms.EventUserEntered:
		if there {
			return fmt.Errorf("%s enters twice", e.User.User)
		}
		w[e.User.User] = seenOf(e.User)
	case terms.EventUserLeft:
		if !there {
			return fmt.Errorf("%s leaves without having been there", e.User.User)
		}
		delete(w, e.User.User)
	case terms.EventStreams:
		if !there {
			return fmt.Errorf("streams of %s, who is not there", e.User.User)
		}
		w[e.User.User] = seen{was.name, seenOf(e.User).streams}
	case terms.EventUserUpdated:
		if !there {
			return fmt.Errorf("another name of %s, who is not there", e.User.User)
		}
		w[e.User.User] = seen{e.User.Name, was.streams}
	}
	return nil
}

// history returns events that can happen, from a source of choices, and the world that they start from.
func history(choose func(n int) int, length int) (start world, events []terms.Event) {
	start = world{}
	var names [6]string
	state := func(u int) terms.UserState {
		return terms.UserState{User: fmt.Sprintf("u%d", u), Name: names[u], Role: terms.Anchor, Streams: []terms.StreamState{{Source: terms.Mic, On: choose(2) == 1}}}
	}
	var in [6]bool
	for u := range in {
		if in[u] = choose(2) == 1; in[u] {
			start[fmt.Sprintf("u%d", u)] = seen{streams: "at the start"}
		}
	}
	for range length {
		u := choose(len(in))
		e := terms.Event{Type: terms.EventStreams, User: state(u)}
		switch {
		case choose(8) == 0:
			e = terms.Event{Type: terms.EventRole, Role: terms.Audience}
		case !in[u]:
			e, in[u] = terms.Event{Type: terms.EventUserEntered, User: state(u)}, true
		case choose(4) == 0:
			names[u] = fmt.Sprint("name ", choose(5))
			e = terms.Event{Type: terms.EventUserUpdated, User: state(u)}
		case choose(2) == 0:
			e, in[u] = terms.Event{Type: terms.EventUserLeft, User: terms.UserState{User: e.User.User}, Left: terms.LeaveReason(choose(3))}, false
		}
		events = append(events, e)
	}
	return start, events
}

// checkCoalesce checks that the net effect ends in the same world and is short. It has every leave of a user
// that the client knew.
func checkCoalesce(t *testing.T, start world, events []terms.Event) {
	t.Helper()
	full, short := maps.Clone(start), maps.Clone(start)
	gone := map[string]terms.LeaveReason{}
	for _, e := range events {
		if e.Type == terms.EventUserLeft && start[e.User.User] != (seen{}) {
			if _, seen := gone[e.User.User]; !seen {
				gone[e.User.User] = e.Left
			}
		}
		if err := full.apply(e); err != nil {
			t.Fatalf("the history is impossible: %v", err)
		}
	}
	net := coalesce(events)
	left := map[string]terms.LeaveReason{}
	for _, e := range net {
		if err := short.apply(e); err != nil {
			t.Fatalf("%v\nfrom %v\nof %v", err, net, events)
		}
		if e.Type == terms.EventUserLeft {
			left[e.User.User] = e.Left
		}
	}
	if !maps.Equal(full, short) {
		t.Fatalf("ends in %v, not %v", short, full)
	}
	if !maps.Equal(gone, left) {
		t.Fatalf("leaves %v, not %v", left, gone)
	}
	if len(net) > 2*6+1 {
		t.Fatalf("%d events are left of %d", len(net), len(events))
	}
}

func TestCoalesceKeepsTheNetEffect(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		start, events := history(r.IntN, r.IntN(60))
		checkCoalesce(t, start, events)
	}
}

func FuzzCoalesce(f *testing.F) {
	f.Add([]byte{1, 0, 1, 0, 1, 0, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3})
	f.Fuzz(func(t *testing.T, choices []byte) {
		length := len(choices) / 4
		start, events := history(func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0]) % n
			choices = choices[1:]
			return c
		}, length)
		checkCoalesce(t, start, events)
	})
}

func left(user int) terms.Event {
	return terms.Event{Type: terms.EventUserLeft, User: terms.UserState{User: fmt.Sprint(user)}, Left: terms.LeftTimeout}
}

// take reads events of the present attachment until there are none.
func take(t *testing.T, m *mailbox, attachment uint64, most int) (seqs []uint64, err error) {
	t.Helper()
	for range most {
		m.mu.Lock()
		e, err, ok := m.takeLocked(attachment)
		m.mu.Unlock()
		if !ok || err != nil {
			return seqs, err
		}
		seqs = append(seqs, e.Seq)
	}
	return seqs, nil
}

func TestMailboxNumbersAndReplays(t *testing.T) {
	m := newMailbox(false)
	m.open()
	for u := range 5 {
		m.push(left(u))
	}
	if got, _ := take(t, m, 1, 3); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("first %v", got)
	}
	m.ack(2)
	m.ack(1)   // late
	m.ack(100) // more than was sent: the unsent rest stays
	if len(m.events) != 2 {
		t.Errorf("%d events are left", len(m.events))
	}
	m.detach(1)
	m.push(left(5))
	attachment, err := m.attach(3)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := take(t, m, attachment, 9); !slices.Equal(got, []uint64{4, 5, 6}) {
		t.Errorf("after the resume %v", got)
	}
	if _, err := take(t, m, 1, 1); !errors.Is(err, ErrDetached) {
		t.Errorf("the older attachment reads: %v", err)
	}
	if attachment, err = m.attach(5); err != nil {
		t.Fatal(err)
	}
	if got, _ := take(t, m, attachment, 9); !slices.Equal(got, []uint64{6}) {
		t.Errorf("after another resume %v", got)
	}
	if _, err := m.attach(7); !errors.Is(err, terms.CodeBadRequest) {
		t.Errorf("resumed after an event that was never sent: %v", err)
	}
}

// TestMailboxOfAnAbsentClientIsBounded: a hundred thousand events take bounded memory, and every leave that
// matters is still there.
func TestMailboxOfAnAbsentClientIsBounded(t *testing.T) {
	m := newMailbox(false)
	m.open()
	for u := range 100 { // the client knows these
		m.push(terms.Event{Type: terms.EventUserEntered, User: terms.UserState{User: fmt.Sprint(u)}})
	}
	if _, err := take(t, m, 1, 100); err != nil {
		t.Fatal(err)
	}
	m.detach(1)
	for i := range 100_000 {
		u := terms.UserState{User: fmt.Sprint(1000 + i)}
		m.push(terms.Event{Type: terms.EventUserEntered, User: u})
		m.push(terms.Event{Type: terms.EventUserLeft, User: u})
		if i < 100 {
			m.push(left(i))
		}
	}
	if len(m.events) > 2000 {
		t.Errorf("%d events are kept", len(m.events))
	}
	attachment, err := m.attach(100)
	if err != nil {
		t.Fatal(err)
	}
	w, known := world{}, 0
	for u := range 100 {
		w[fmt.Sprint(u)] = seen{streams: "known"}
	}
	for {
		m.mu.Lock()
		e, err, ok := m.takeLocked(attachment)
		m.mu.Unlock()
		if !ok {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.apply(e); err != nil {
			t.Fatal(err)
		}
		if e.Type == terms.EventUserLeft && e.Left == terms.LeftTimeout {
			known++
		}
	}
	if known != 100 || len(w) != 0 {
		t.Errorf("%d leaves of known users, %d users still there", known, len(w))
	}
}

// TestWhatAResumeHasToldIsNotTakenBack: the answer to a resume names users that have entered before, so their
// leave follows.
func TestWhatAResumeHasToldIsNotTakenBack(t *testing.T) {
	for _, more := range []int{0, 2 * minCoalesce} { // none, or so many that they are coalesced
		m := newMailbox(false)
		m.open()
		m.detach(1)
		ann := terms.UserState{User: "ann"}
		m.push(terms.Event{Type: terms.EventUserEntered, User: ann})
		attachment, err := m.attach(0)
		if err != nil {
			t.Fatal(err)
		}
		m.pin(attachment - 1) // of a connection that was late
		if m.pinned != 0 {
			t.Error("an attachment that is over keeps events as they are")
		}
		m.pin(attachment)
		m.push(terms.Event{Type: terms.EventUserLeft, User: ann})
		for range more {
			m.push(terms.Event{Type: terms.EventRole, Role: terms.Audience})
		}
		if len(m.events) > minCoalesce+2 {
			t.Errorf("%d events are kept", len(m.events))
		}
		w := world{}
		for i, want := range []terms.EventType{terms.EventUserEntered, terms.EventUserLeft} {
			e, err := m.next(t.Context(), attachment)
			if err == nil {
				err = w.apply(e)
			}
			if err != nil || e.Type != want || e.User.User != "ann" {
				t.Fatalf("with %d more, event %d: %v %v %v", more, i, e.Type, e.User.User, err)
			}
		}
	}
}

// TestMailboxOfWhoResumesAgainAndAgainIsBounded: the mailbox of such a client is bounded, even if nothing is
// ever read.
func TestMailboxOfWhoResumesAgainAndAgainIsBounded(t *testing.T) {
	m := newMailbox(false)
	m.open()
	for range 100 {
		attachment, err := m.attach(0)
		if err != nil {
			t.Fatal(err)
		}
		m.pin(attachment)
		for range 300 {
			m.push(terms.Event{Type: terms.EventRole, Role: terms.Audience})
		}
	}
	if len(m.events) > 2*minCoalesce {
		t.Errorf("%d events are kept", len(m.events))
	}
}

// TestUndecodableEndsWithTheLeave: no event of streams that cannot be decoded is told of a user whose
// entering is taken back. None comes before the entering.
func TestUndecodableEndsWithTheLeave(t *testing.T) {
	of := func(user string) terms.Event {
		return terms.Event{Type: terms.EventUndecodable, Undecodable: &terms.Undecodable{Seat: "s", User: user, Source: terms.Camera}, On: true}
	}
	change := func(kind terms.EventType, user string) terms.Event {
		return terms.Event{Type: kind, User: terms.UserState{User: user}}
	}
	entered := func(user string) terms.Event { return change(terms.EventUserEntered, user) }
	history := []terms.Event{
		of("bob"), entered("ann"), of("ann"), change(terms.EventStreams, "ann"),
		entered("cid"), of("cid"), change(terms.EventUserLeft, "cid"),
		change(terms.EventUserLeft, "bob"),
	}
	told := func(events []terms.Event) (l []string) {
		for _, e := range events {
			name := e.User.User
			if e.Type == terms.EventUndecodable {
				name = e.Undecodable.User
			}
			l = append(l, fmt.Sprint(e.Type, " ", name))
		}
		return l
	}
	want := told([]terms.Event{entered("ann"), of("ann"), change(terms.EventUserLeft, "bob")})
	if got := told(coalesce(history)); !slices.Equal(got, want) {
		t.Errorf("coalesced: %q, not %q", got, want)
	}
	rest, untold := undo(slices.Clone(history[:6]), "cid")
	if got, want := told(rest), told(history[:4]); !untold || !slices.Equal(got, want) {
		t.Errorf("undone: %q, not %q", got, want)
	}
}

func TestMailboxConcludesWhenExitedIsHandedOver(t *testing.T) {
	concluded := func(m *mailbox) bool {
		select {
		case <-m.concluded:
			return true
		default:
			return false
		}
	}
	exited := &terms.Event{Type: terms.EventExited}
	for name, tt := range map[string]struct {
		do   func(m *mailbox)
		told bool
	}{
		"next again": {func(m *mailbox) { _, _ = m.next(context.Background(), 1) }, true},
		"ack":        {func(m *mailbox) { m.ack(1) }, true},
		"gone":       {func(m *mailbox) { m.detach(1) }, false},
	} {
		m := newMailbox(false)
		m.open()
		m.close(exited)
		if concluded(m) {
			t.Errorf("%s: concluded before anything was read", name)
		}
		if e, err := m.next(context.Background(), 1); err != nil || e.Type != terms.EventExited {
			t.Fatal(e, err)
		}
		if concluded(m) {
			t.Errorf("%s: concluded when exited was taken", name)
		}
		if tt.do(m); !concluded(m) || m.wasTold() != tt.told {
			t.Errorf("%s: concluded %t, told %t", name, concluded(m), m.wasTold())
		}
		m.push(left(1))
		m.close(exited)
		if len(m.events) > 1 {
			t.Errorf("%s: something comes after exited", name)
		}
	}
	for name, m := range map[string]*mailbox{"nobody there": newMailbox(false), "media only": newMailbox(true)} {
		if m.close(exited); !concluded(m) {
			t.Errorf("%s: not concluded", name)
		}
	}
}

func TestMailboxNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailbox(false)
		m.open()
		got := make(chan error, 1)
		next := func(ctx context.Context) {
			_, err := m.next(ctx, 1)
			got <- err
		}
		for _, tt := range []struct {
			do   func(cancel func())
			want error
		}{
			{func(func()) { m.push(left(1)) }, nil},
			{func(cancel func()) { cancel() }, context.Canceled},
			{func(func()) { m.close(nil) }, io.EOF},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			go next(ctx)
			synctest.Wait()
			if len(got) != 0 {
				t.Fatal("next does not wait")
			}
			tt.do(cancel)
			if err := <-got; !errors.Is(err, tt.want) {
				t.Errorf("%v, not %v", err, tt.want)
			}
			cancel()
		}
	})
}

// TestNothingIsForWhoIsLeaving: from step 1 of leaving on, events of the room are not for the user any more.
func TestNothingIsForWhoIsLeaving(t *testing.T) {
	r := New(Options{}, nil, nil)
	enter := func(user string) *Session {
		t.Helper()
		s, _, err := r.Enter(t.Context(), EnterRequest{
			Room: must(terms.StringRoom("lobby")), User: user, Grant: terms.Grant{Rights: terms.AllRights()}, Signal: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ann := enter("ann").p
	ann.room.mu.Lock()
	ann.room.beginLocked(ann, causeRemoved, "")
	ann.room.mu.Unlock()
	enter("bob")
	if len(ann.box.events) != 0 {
		t.Errorf("ann is told %v", ann.box.events)
	}
	ann.box.detach(1)
	ann.room.depart([]*participant{ann})
	if n := len(ann.box.events); n != 1 || ann.box.events[0].Type != terms.EventExited {
		t.Errorf("ann is told %v", ann.box.events)
	}
}

// TestReplacedSessionsAreForgotten: players that enter again and again leave nothing in the room.
func TestReplacedSessionsAreForgotten(t *testing.T) {
	r := New(Options{}, nil, nil)
	lobby := must(terms.StringRoom("lobby"))
	for range 3 {
		s, _, err := r.Enter(t.Context(), EnterRequest{Room: lobby, User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}, Signal: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Detached()
		if err := s.AutoSeats(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.room(lobby).auto); n != 1 {
		t.Errorf("%d sessions have automatic seats", n)
	}
}

// TestWhoMayNotCreateEntersNoRoomBeingMade: the room is there while its maker's entering is still looked at,
// and may yet be refused.
func TestWhoMayNotCreateEntersNoRoomBeingMade(t *testing.T) {
	r := New(Options{}, nil, nil)
	maker := EnterRequest{Room: must(terms.StringRoom("lobby")), User: "ann", Grant: terms.Grant{Rights: terms.AllRights()}, Signal: true}
	if _, err := r.admit(t.Context(), r.newParticipant(maker), maker); err != nil {
		t.Fatal(err)
	}
	other := maker
	other.User, other.Grant.Rights = "bob", must(terms.NewRights(terms.RightEnter))
	if _, _, err := r.Enter(t.Context(), other); !errors.Is(err, terms.CodeNotAllowed) {
		t.Errorf("bob: %v", err)
	}
}

// TestMailboxWakesOnce: a reader that has found nothing is woken once by the next event or by the end of its
// attachment.
func TestMailboxWakesOnce(t *testing.T) {
	woken := 0
	wake := func() { woken++ }
	m := newMailbox(false)
	m.open()
	empty := func(attachment uint64) {
		t.Helper()
		if e, err, ok := m.poll(attachment, wake); ok {
			t.Fatalf("%v, %v", e, err)
		}
	}
	for name, do := range map[string]func(){
		"event": func() {
			m.push(left(1))
			m.push(left(2))
			for range 2 {
				if _, err, ok := m.poll(m.attachment, wake); err != nil || !ok {
					t.Error(err, ok)
				}
			}
			m.ack(m.acked + 2)
			if m.events != nil {
				t.Error("memory is left behind")
			}
		},
		"another attachment": func() {
			attachment := m.attachment
			if _, err := m.attach(m.acked); err != nil {
				t.Error(err)
			}
			if _, err, ok := m.poll(attachment, wake); !ok || !errors.Is(err, ErrDetached) {
				t.Errorf("the older attachment: %v", err)
			}
		},
	} {
		empty(m.attachment)
		if woken = 0; m.wake == nil {
			t.Fatal("nobody is to be woken")
		}
		do()
		if woken != 1 {
			t.Errorf("%s: woken %d times", name, woken)
		}
	}
	empty(m.attachment)
	m.detach(m.attachment)
	if woken = 0; m.wake != nil {
		t.Error("somebody waits on an attachment that has ended")
	}
	if m.push(left(3)); woken != 0 {
		t.Error("woken after the end of the attachment")
	}
}

// TestSeatsAreLookedAtWhenSomebodyPerforms: seats are looked at when somebody performs or no longer does.
// They are not looked at for all that come and go.
func TestSeatsAreLookedAtWhenSomebodyPerforms(t *testing.T) {
	r := New(Options{}, nil, nil)
	enter := func(user string, role terms.Role) *participant {
		t.Helper()
		s, _, err := r.Enter(t.Context(), EnterRequest{
			Room: must(terms.StringRoom("lobby")), User: user, Role: role, Scene: terms.Live, Grant: terms.Grant{Rights: terms.AllRights()}, Signal: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Detached()
		return s.p
	}
	host := enter("host", terms.Anchor)
	rm := host.room
	publish := func(present, on sources) {
		rm.mu.Lock()
		defer rm.mu.Unlock()
		rm.setStreamsLocked(host.m, present, on)
	}
	camera := sources(0).with(terms.Camera)
	for _, tt := range []struct {
		what    string
		do      func()
		looks   int
		onStage int
	}{
		{"a player comes", func() { enter("ann", terms.Audience) }, 0, 0},
		{"the host publishes", func() { publish(camera, camera) }, 1, 1},
		{"another player comes", func() { enter("bob", terms.Audience) }, 0, 1},
		{"and again", func() { enter("bob", terms.Audience) }, 0, 1},
		{"and leaves", func() { rm.members["bob"].p.leave(causeExit, "") }, 0, 1},
		{"the host mutes", func() { publish(camera, 0) }, 0, 1},
		{"the host enters again", func() { host = enter("host", terms.Anchor) }, 1, 0},
		{"and publishes", func() { publish(camera, camera) }, 1, 1},
		{"and becomes audience", func() { host = enter("host", terms.Audience) }, 1, 0},
	} {
		tt.do()
		if n := len(rm.media.seats); n != tt.looks {
			t.Errorf("%s: seats are looked at: %d", tt.what, n)
		}
		select {
		case <-rm.media.seats:
		default:
		}
		rm.mu.Lock()
		if n := len(rm.stageLocked()); n != tt.onStage {
			t.Errorf("%s: %d are on stage", tt.what, n)
		}
		rm.mu.Unlock()
	}
}

// TestWhatIsUndoneBeforeItWasToldIsNotTold: the client was told nothing of a user yet, or that the user has
// left. The user's entering and leaving leave no trace then. All else stays, in order.
func TestWhatIsUndoneBeforeItWasToldIsNotTold(t *testing.T) {
	ann := terms.UserState{User: "ann"}
	entered, streams, gone := terms.Event{Type: terms.EventUserEntered, User: ann}, terms.Event{Type: terms.EventStreams, User: ann}, terms.Event{Type: terms.EventUserLeft, User: ann}
	bob := terms.Event{Type: terms.EventUserEntered, User: terms.UserState{User: "bob"}}
	said := terms.Event{Type: terms.EventMessage, User: ann, Message: &terms.Message{}}
	for _, c := range []struct {
		name string
		told int // of the events, before the others come
		all  []terms.Event
		want []terms.Event
	}{
		{"untold", 0, []terms.Event{bob, entered, streams, gone}, []terms.Event{bob}},
		{"many times", 0, []terms.Event{entered, gone, entered, gone, bob, entered, streams, streams, gone}, []terms.Event{bob}},
		{"told", 1, []terms.Event{entered, streams, gone}, []terms.Event{entered, streams, gone}},
		{"known before", 0, []terms.Event{streams, gone}, []terms.Event{streams, gone}},
		{"known before, and back for a moment", 0, []terms.Event{gone, entered, bob, gone}, []terms.Event{gone, bob}},
		{"told, and back for a moment", 1, []terms.Event{entered, gone, entered, streams, gone}, []terms.Event{entered, gone}},
		{"what it said stays", 0, []terms.Event{entered, said, gone}, []terms.Event{said}},
	} {
		m := newMailbox(false)
		m.open()
		var got []terms.Event
		read := func(most int) {
			for range most {
				e, _, ok := m.poll(1, func() {})
				if !ok {
					return
				}
				e.Seq = 0
				got = append(got, e)
			}
		}
		for _, e := range c.all[:c.told] {
			m.push(e)
		}
		read(c.told)
		for _, e := range c.all[c.told:] {
			m.push(e)
		}
		read(len(c.all))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

// TestPausedIsToldApart: a paused stream is told apart from one that cannot be decoded, of the same seat. It
// has a type of its own, and the latest of each is told.
func TestPausedIsToldApart(t *testing.T) {
	event := func(paused, on bool) terms.Event {
		x := &terms.Undecodable{Seat: "s", User: "ann", Source: terms.Camera, Paused: paused}
		return terms.Event{Type: x.EventType(), Undecodable: x, On: on}
	}
	var got []string
	for _, e := range coalesce([]terms.Event{event(false, true), event(true, true), event(false, false), event(true, false), event(true, true)}) {
		b, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	want := []string{
		`{"type":"undecodable","seq":0,"user":"ann","seat":"s","source":"camera","on":false}`,
		`{"type":"paused","seq":0,"user":"ann","seat":"s","source":"camera","on":true}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %v, not %v", got, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
