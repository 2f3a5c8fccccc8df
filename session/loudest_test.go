package session_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
)

// player enters without signalling, as WHEP does, with n seats that fill by themselves.
func (n *node) player(user string, seats int) *fakewire.Peer {
	n.t.Helper()
	s, _, err := n.Enter(context.Background(), session.EnterRequest{Room: lobby, User: user, Grant: granted})
	if err != nil {
		n.t.Fatal(err)
	}
	if err := s.AutoSeats(); err != nil {
		n.t.Fatal(err)
	}
	if _, err := s.Negotiate(context.Background(), plan(nil, seats, false)); err != nil {
		n.t.Fatal(err)
	}
	p := n.wire.Last()
	p.Connect()
	synctest.Wait()
	return p
}

// hears has every peer send a second of sound; those named by speaking send loud sound. It returns the
// sections in which p got most of it.
func hears(p *fakewire.Peer, seats int, peers []*fakewire.Peer, speaking ...int) string {
	before := map[string]int{}
	for i := range seats {
		before[fmt.Sprint("a", i)] = p.Received(fmt.Sprint("a", i))
	}
	for range 50 {
		for i, from := range peers {
			level := uint8(127)
			for _, s := range speaking {
				if s == i {
					level = 25
				}
			}
			from.Say(time.Now(), "mic", level)
		}
		time.Sleep(20 * time.Millisecond) // of the bubble
		synctest.Wait()
	}
	out := ""
	for i := range seats {
		mid := fmt.Sprint("a", i)
		if got := p.Received(mid) - before[mid]; got > 40 {
			out += mid
		} else if got > 0 {
			out += fmt.Sprintf("%s(%d)", mid, got)
		}
	}
	return out
}

func TestPlayersOfACrowdedRoomHearTheLoudest(t *testing.T) {
	inNode(t, session.Options{Loudest: 2}, func(n *node) {
		var peers []*fakewire.Peer
		var people []*client
		add := func() {
			c := n.enter(fmt.Sprint("user-", len(people)))
			people = append(people, c)
			peers = append(peers, c.publishMic(0))
		}
		add()
		add()
		player, small := n.player("player", 4), n.player("small", 1)
		n.expect("two on stage, silent", []string{hears(player, 4, peers), hears(small, 1, peers)}, "a0a1", "a0")
		add()
		add()
		synctest.Wait()
		n.expect("four on stage, silent", []string{hears(player, 4, peers), hears(small, 1, peers)}, "", "")
		n.expect("the fourth speaks", []string{hears(player, 4, peers, 3), hears(small, 1, peers, 3)}, "a0", "a0")
		n.expect("the third as well", []string{hears(player, 4, peers, 2, 3), hears(small, 1, peers, 2, 3)}, "a0a1", "a0")
		n.expect("all of them", []string{hears(player, 4, peers, 0, 1, 2, 3)}, "a0a1")
		for _, c := range people[2:] {
			if err := c.Exit(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		n.expect("two on stage again", []string{hears(player, 4, peers[:2])}, "a0a1")
	})
}

func TestOnNodesThatDoNotChooseAllAreHeard(t *testing.T) {
	inNode(t, session.Options{}, func(n *node) {
		var peers []*fakewire.Peer
		for i := range 5 {
			peers = append(peers, n.enter(fmt.Sprint("user-", i)).publishMic(0))
		}
		player := n.player("player", 5)
		n.expect("five on stage", []string{hears(player, 5, peers)}, "a0a1a2a3a4")
	})
}

func TestSeatsOfTheLoudest(t *testing.T) {
	inNode(t, session.Options{Loudest: 2}, func(n *node) {
		ann, bob, cat := n.enter("ann"), n.enter("bob"), n.enter("cat")
		peers := []*fakewire.Peer{ann.publishMic(0), bob.publishMic(0)}
		ear := cat.negotiate(nil, 4, false)
		ask := func(seat string, audio, video terms.Source) error {
			return cat.SetSeat(session.SeatRequest{Seat: seat, User: session.Loudest, Audio: audio, Video: video})
		}
		for _, x := range []struct {
			err  error
			want terms.Code
		}{
			{ask("seat0", terms.Mic, terms.NoSource), ""},
			{ask("seat0", terms.Mic, terms.NoSource), ""}, // again
			{ask("seat1", terms.Mic, terms.Camera), terms.CodeBadRequest},
			{ask("seat1", terms.ScreenAudio, terms.NoSource), terms.CodeBadRequest},
			{ask("seat1", terms.NoSource, terms.NoSource), terms.CodeBadRequest},
			{ask("none", terms.Mic, terms.NoSource), terms.CodeBadRequest},
			{ask("seat1", terms.Mic, terms.NoSource), ""},
			{ask("seat2", terms.Mic, terms.NoSource), terms.CodeBadRequest}, // there are two
		} {
			if code(x.err) != x.want {
				t.Errorf("%v, not %q", x.err, x.want)
			}
		}
		n.expect("silence", []string{hears(ear, 4, peers)}, "")
		n.expect("one", []string{hears(ear, 4, peers, 1)}, "a0")
		n.expect("both", []string{hears(ear, 4, peers, 0, 1)}, "a0a1")
		cat.negotiate(nil, 3, false) // a seat fewer: those that stay keep what they play
		n.expect("after another offer", []string{hears(ear, 3, peers, 0, 1)}, "a0a1")
		if err := cat.SetSeat(session.SeatRequest{Seat: "seat0"}); err != nil {
			t.Fatal(err)
		}
		n.expect("with one", []string{hears(ear, 3, peers, 0, 1)}, "a1")
		for i := range peers { // a seat alone plays whoever speaks, not one of two
			hears(ear, 3, peers[i:i+1], 0)
			n.expect("one alone", []string{hears(ear, 3, peers[i:i+1], 0)}, "a1")
		}
		if _, err := cat.Renew(terms.Grant{Rights: must(terms.NewRights(terms.RightEnter))}); err != nil {
			t.Fatal(err)
		}
		n.expect("without the right", []string{hears(ear, 3, peers, 0, 1)}, "")
		if err := ask("seat0", terms.Mic, terms.NoSource); code(err) != terms.CodeNotAllowed {
			t.Errorf("without the right: %v", err)
		}
	})
	inNode(t, session.Options{}, func(n *node) {
		ann := n.enter("ann")
		ann.publishMic(1)
		if err := ann.SetSeat(session.SeatRequest{Seat: "seat0", User: session.Loudest, Audio: terms.Mic}); code(err) != terms.CodeBadRequest {
			t.Errorf("on a node that does not choose: %v", err)
		}
	})
}
