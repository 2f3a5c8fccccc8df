package session_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

func note(cmdID int, text string) terms.Message {
	return terms.Message{CmdID: cmdID, Data: []byte(text), Reliable: true}
}

// said returns and forgets the messages among what the client was told, as "ann 1 hello".
func (c *client) said() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var l []string
	for _, e := range c.events {
		if e.Type == terms.EventMessage {
			l = append(l, fmt.Sprintf("%s %d %s", e.User.User, e.Message.CmdID, e.Message.Data))
		}
	}
	c.events = nil
	return l
}

// talk negotiates and opens both channels of messages.
func (c *client) talk() *fakewire.Peer {
	p := c.publishMic(0)
	p.OpenChannel(session.ChannelReliable)
	p.OpenChannel(session.ChannelUnreliable)
	return p
}

func got(p *fakewire.Peer, label string) []string {
	synctest.Wait()
	var l []string
	for _, b := range p.Messages(label) {
		l = append(l, fmt.Sprintf("%q", b))
	}
	return l
}

func TestEverybodyElseGetsAMessageItsBestWay(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, cid, dan := n.enter("ann"), n.enter("bob"), n.enter("cid"), n.enter("dan")
		bobPeer, cidPeer := bob.talk(), cid.publishMic(0)
		cidPeer.OpenChannel(session.ChannelReliable) // only
		for _, m := range []terms.Message{note(1, "hello"), {CmdID: 10, Data: []byte{0, 255}}, {CmdID: 2}} {
			if err := ann.SendMessage(m); err != nil {
				t.Fatal(err)
			}
		}
		n.expect("dan", dan.said(), "ann 1 hello", "ann 10 \x00\xff", "ann 2 ")
		n.expect("ann herself", ann.said())
		n.expect("bob, socket", bob.said())
		n.expect("bob, reliable", got(bobPeer, session.ChannelReliable), `"\x01\x03annhello"`)
		n.expect("bob, unreliable", got(bobPeer, session.ChannelUnreliable), `"\n\x03ann\x00\xff"`, `"\x02\x03ann"`)
		n.expect("cid", got(cidPeer, session.ChannelReliable), `"\x01\x03annhello"`, `"\n\x03ann\x00\xff"`, `"\x02\x03ann"`)

		bobPeer.Tell(session.ChannelReliable, []byte("\x07hi"))
		bobPeer.Tell("somebody's own", []byte("\x07hi"))
		n.expect("ann", ann.said(), "bob 7 hi")
		if m := n.Messages(); m.Sent != 4 || m.Channel != 3+3+1 || m.Socket != 3+2 {
			t.Errorf("%+v", m)
		}
	})
}

func TestMessagesThatAreRefusedReachNobody(t *testing.T) {
	tests := []struct {
		name string
		m    terms.Message
		code terms.Code
		does string // the field
	}{
		{"cmdId 0", terms.Message{}, terms.CodeBadRequest, "cmdId"},
		{"cmdId 11", note(11, ""), terms.CodeBadRequest, "cmdId"},
		{"1001 bytes", note(1, strings.Repeat("x", 1001)), terms.CodeBadRequest, "data"},
	}
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		mute := n.enter("mute", func(q *session.EnterRequest) {
			q.Grant.Rights = must(terms.NewRights(terms.RightEnter, terms.RightSendAudio))
		})
		for _, tt := range tests {
			err := ann.SendMessage(tt.m)
			if e := terms.AsError(err); e.Code != tt.code || e.Field != tt.does {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if err := mute.SendMessage(note(1, "x")); code(err) != terms.CodeNotAllowed {
			t.Errorf("without the right: %v", err)
		}
		if err := ann.SendMessage(note(1, strings.Repeat("x", 1000))); err != nil {
			t.Errorf("1000 bytes: %v", err)
		}
		n.expect("bob", bob.said(), "ann 1 "+strings.Repeat("x", 1000))

		p := mute.talk()
		p.Tell(session.ChannelReliable, []byte("\x05x"))
		p.Tell(session.ChannelUnreliable, []byte("\x00x"))
		p.Tell(session.ChannelUnreliable, nil)
		n.expect("by reliable channel", got(p, session.ChannelReliable), `"\x00\x05not_allowed"`)
		n.expect("by unreliable channel", got(p, session.ChannelUnreliable), `"\x00\x00bad_request"`, `"\x00\x00bad_request"`)
		n.expect("bob", bob.said())
		m := n.Messages()
		if m.Refused[terms.CodeBadRequest] != 5 || m.Refused[terms.CodeNotAllowed] != 2 || m.Sent != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestMessageLimitsPerSecond(t *testing.T) {
	tests := []struct {
		name string
		size int
		most int // in a second
	}{{"30 messages", 10, 30}, {"8 KB", 1000, 8}, {"8 KB exactly", 512, 16}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inNode(t, session.Options{}, func(n *node) {
				ann, bob := n.enter("ann"), n.enter("bob")
				n.living = []*client{ann, bob}
				m := terms.Message{CmdID: 1, Data: bytes.Repeat([]byte{'x'}, tt.size), Reliable: true}
				send := func(want terms.Code) {
					t.Helper()
					if err := ann.SendMessage(m); code(err) != want {
						t.Fatalf("%v, not %q", err, want)
					}
				}
				for range tt.most / 2 {
					send("")
				}
				time.Sleep(600 * time.Millisecond)
				for range tt.most - tt.most/2 {
					send("")
				}
				send(terms.CodeMessageLimit)
				time.Sleep(399 * time.Millisecond)
				send(terms.CodeMessageLimit)
				time.Sleep(time.Millisecond) // the first half is a second old; refused ones do not count
				for range tt.most / 2 {
					send("")
				}
				send(terms.CodeMessageLimit)
				if l := bob.said(); len(l) != tt.most+tt.most/2 {
					t.Errorf("bob got %d", len(l))
				}
				if err := bob.SendMessage(m); err != nil {
					t.Errorf("another user: %v", err)
				}
				// A session that replaces another one goes on with what the user has left.
				again := n.enter("ann")
				if err := again.SendMessage(m); code(err) != terms.CodeMessageLimit {
					t.Errorf("after entering again: %v", err)
				}
			})
		})
	}
}

func TestMessagesKeepTheirOrderWhenAChannelOpens(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		p := bob.publishMic(0)
		send := func(text string) {
			t.Helper()
			if err := ann.SendMessage(note(1, text)); err != nil {
				t.Fatal(err)
			}
		}
		send("1")
		p.OpenChannel(session.ChannelReliable)
		send("2") // the first may not have arrived yet
		n.expect("by socket", bob.said(), "ann 1 1", "ann 1 2")
		n.expect("by channel", got(p, session.ChannelReliable))
		bob.Ack(1 << 30)
		send("3")
		n.expect("by socket", bob.said())
		n.expect("by channel", got(p, session.ChannelReliable), `"\x01\x03ann3"`)
	})
}

func TestSlowReadersLoseMessagesAndNothingElse(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, deaf, fast := n.enter("ann"), n.enter("deaf"), n.enter("fast")
		stuck := n.enter("stuck")
		p := stuck.talk()
		deaf.saw()
		deaf.cancel() // its connection stands, but nobody takes anything off it
		<-deaf.ended
		p.Stick(true)
		n.living = []*client{ann, deaf, fast, stuck}
		sent := 0
		for range 25 {
			for range 30 {
				if err := ann.SendMessage(note(1, "x")); err != nil {
					t.Fatal(err)
				}
				sent++
			}
			time.Sleep(time.Second)
			n.touchAll()
			fast.Ack(1 << 30)
		}
		n.enter("zoe")
		if l := fast.said(); len(l) != sent {
			t.Errorf("who reads got %d of %d", len(l), sent)
		}
		n.expect("stuck, socket", stuck.saw(), "user_entered zoe")
		deaf.connect()
		var messages, others []string
		for _, s := range deaf.saw() {
			if strings.HasPrefix(s, "message") {
				messages = append(messages, s)
			} else {
				others = append(others, s)
			}
		}
		n.expect("deaf", others, "user_entered zoe")
		if len(messages) != 512 {
			t.Errorf("%d messages were kept", len(messages))
		}
		m := n.Messages()
		if m.Dropped[session.MessageSlowSocket] != uint64(sent-512) || m.Dropped[session.MessageSlowChannel] != uint64(sent) {
			t.Errorf("%+v", m)
		}
	})
}

func TestReliableMessagesFollowAResume(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		bob.cut()
		for _, m := range []terms.Message{note(1, "a"), {CmdID: 1, Data: []byte("late")}, note(1, "b")} {
			if err := ann.SendMessage(m); err != nil {
				t.Fatal(err)
			}
		}
		s, err := n.Resume(context.Background(), bob.ID(), bob.Key(), 0)
		if err != nil {
			t.Fatal(err)
		}
		n.expect("bob", n.client(s, bob.entered).said(), "ann 1 a", "ann 1 b")
		if m := n.Messages(); m.Dropped[session.MessageAway] != 1 {
			t.Errorf("%+v", m)
		}
	})
}

func TestNoMessageAfterLeaving(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		ann, bob, cid := n.enter("ann"), n.enter("bob"), n.enter("cid")
		annPeer, bobPeer := ann.talk(), bob.talk()
		cid.cut()
		if err := bob.SendMessage(note(1, "unsent")); err != nil {
			t.Fatal(err)
		}
		if _, err := n.RemoveUsers(context.Background(), lobby, []string{"ann", "cid"}, "", 0); err != nil {
			t.Fatal(err)
		}
		bob.saw()
		got(annPeer, session.ChannelReliable)
		if err := ann.SendMessage(note(1, "x")); code(err) != terms.CodeUserNotFound {
			t.Errorf("after the removal: %v", err)
		}
		annPeer.Tell(session.ChannelReliable, []byte("\x01x"))
		annPeer.Tell(session.ChannelUnreliable, []byte("\x01x"))
		bobPeer.Tell(session.ChannelReliable, []byte("\x01x"))
		n.expect("to bob", append(got(bobPeer, session.ChannelReliable), got(bobPeer, session.ChannelUnreliable)...))
		n.expect("to bob, socket", bob.saw())
		n.expect("to ann", got(annPeer, session.ChannelReliable))
		s, err := n.Resume(context.Background(), cid.ID(), cid.Key(), 0)
		if err != nil {
			t.Fatal(err)
		}
		n.expect("cid", n.client(s, cid.entered).saw(), "streams ann mic=true", "streams bob mic=true", "exited 1")
	})
}

// TestLeavingWaitsForAMessageThatIsHandedOut: a command is answered when nothing of the user comes any more.
// The test runs outside a bubble, since a bubble takes waiting for a lock for work.
func TestLeavingWaitsForAMessageThatIsHandedOut(t *testing.T) {
	ctx, wire := context.Background(), &fakewire.Transport{}
	rooms := session.New(session.Options{Timers: session.Timers{Tell: time.Millisecond}}, wire, nil)
	enter := func(user string) *session.Session {
		s, _, err := rooms.Enter(ctx, session.EnterRequest{Room: lobby, User: user, Grant: granted, Signal: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ann, bob := enter("ann"), enter("bob")
	if _, err := bob.Negotiate(ctx, plan(nil, 1, false)); err != nil {
		t.Fatal(err)
	}
	wire.Last().OpenChannel(session.ChannelReliable)
	held, release := wire.Last().HoldMessages()
	go func() { _ = ann.SendMessage(note(1, "x")) }()
	<-held
	removed := make(chan struct{})
	go func() {
		defer close(removed)
		_, _ = rooms.RemoveUsers(ctx, lobby, []string{"ann"}, "", 0)
	}()
	select {
	case <-removed:
		t.Error("ann is out while a message of hers is still being handed out")
	case <-time.After(50 * time.Millisecond): // longer finds more of what must not be
	}
	release()
	<-removed
	if err := rooms.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestAudienceSendsMessages(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		host, fan, other := n.enter("host", live(terms.Anchor)), n.enter("fan", live(terms.Audience)), n.enter("other", live(terms.Audience))
		if err := fan.SendMessage(note(3, "hi")); err != nil {
			t.Fatal(err)
		}
		n.expect("host", host.said(), "fan 3 hi")
		n.expect("other", other.said(), "fan 3 hi")
	})
}

func TestMessageCommand(t *testing.T) {
	ctx := context.Background()
	inNode(t, session.Options{}, func(n *node) {
		ann, bob := n.enter("ann"), n.enter("bob")
		n.enter("box", func(q *session.EnterRequest) { q.Signal = false }) // WHEP: no way to it
		bobPeer := bob.talk()
		for _, tt := range []struct {
			users             []string
			delivered, missed int
		}{{nil, 2, 1}, {[]string{"ann"}, 1, 0}, {[]string{"ann", "ann", "nobody"}, 1, 1}, {[]string{"box"}, 0, 1}} {
			delivered, missed, err := n.SendMessage(ctx, lobby, tt.users, note(1, "all"))
			if err != nil || delivered != tt.delivered || missed != tt.missed {
				t.Errorf("to %v: %d, %d, %v", tt.users, delivered, missed, err)
			}
		}
		n.expect("ann", ann.said(), " 1 all", " 1 all", " 1 all")
		n.expect("bob", got(bobPeer, session.ChannelReliable), `"\x01\x00all"`)
		for name, tt := range map[string]struct {
			room  terms.RoomID
			users []string
			m     terms.Message
			code  terms.Code
			field string
		}{
			"no room":     {must(terms.StringRoom("empty")), nil, note(1, ""), terms.CodeRoomNotFound, "room"},
			"zero room":   {terms.RoomID{}, nil, note(1, ""), terms.CodeBadRequest, "room"},
			"nobody":      {lobby, []string{}, note(1, ""), terms.CodeBadRequest, "users"},
			"11 users":    {lobby, strings.Fields("a b c d e f g h i j k"), note(1, ""), terms.CodeBadRequest, "users"},
			"bad user id": {lobby, []string{"a b"}, note(1, ""), terms.CodeBadRequest, "users"},
			"cmdId":       {lobby, nil, note(0, ""), terms.CodeBadRequest, "cmdId"},
			"too long":    {lobby, nil, note(1, strings.Repeat("x", 1001)), terms.CodeBadRequest, "data"},
		} {
			_, _, err := n.SendMessage(ctx, tt.room, tt.users, tt.m)
			if e := terms.AsError(err); err == nil || e.Code != tt.code || e.Field != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
