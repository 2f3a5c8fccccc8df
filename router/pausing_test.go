package router

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/router/allocate"
)

// TestAPauseIsToldOnceItLasts: a picture that is paused before it was shown is told of after a moment. It is
// not told of at all if the network turns out to carry it. One that was shown is told of at once.
func TestAPauseIsToldOnceItLasts(t *testing.T) {
	paused, rungs := allocate.State{Want: allocate.Paused, Rung: allocate.Paused}, make([]allocate.Rung, temporals)
	told := []Undecodable{{Peer: 4, Member: 4, MID: "s", Track: TrackKey{1, Camera}, Paused: true}}
	for name, want := range map[string][]Undecodable{"lasts": told, "ends": nil, "shown": told} {
		t.Run(name, func(t *testing.T) {
			w, n := observed(t)
			cam := w.layered(1, 1, 500)
			w.join(4, 4, nil, seatVideo("s", 77))
			w.watch(4, "s", 1, Camera, High)
			k := w.c.peers[4].down.sinks["s"]
			if name == "shown" {
				cam.frame()
				require.NotNil(t, k.cur)
			}
			w.c.allow(k, paused, rungs)
			w.pass(pauseTold - 10*time.Millisecond)
			if name == "shown" {
				require.Equal(t, want, n.undecodable)
				return
			}
			require.Empty(t, n.undecodable)
			if name == "ends" {
				w.c.allow(k, allocate.State{}, rungs)
			}
			w.pass(20 * time.Millisecond)
			require.Equal(t, want, n.undecodable)
			w.pass(5 * time.Second)
			require.Equal(t, want, n.undecodable)
		})
	}
}

// TestWhatWasShortIsForgotten: it is forgotten once all fits. Nothing is divided then, and the next moment
// counts anew.
func TestWhatWasShortIsForgotten(t *testing.T) {
	w, _ := observed(t)
	cam := w.layered(1, 1, 500)
	w.join(4, 4, nil, seatVideo("s", 77))
	w.watch(4, "s", 1, Camera, High)
	link := w.access(4, 20e6)
	w.call(3*time.Second, cam, link)
	k := w.c.peers[4].down.sinks["s"]
	states := []allocate.State{allocate.Showing(0)}
	allocate.Allocate(allocate.Network{Now: w.now, Budget: 1}, []allocate.Seat{{ID: 77, Rungs: []allocate.Rung{{Rate: 100e3, Area: 1, Live: true}}}}, states, new(allocate.Scratch))
	require.Equal(t, 0, states[0].Rung, "it stays for a moment")
	short := states[0]
	k.allowed.state = short
	w.c.divide(w.c.peers[4])
	require.NotEqual(t, short, k.allowed.state)
	short.Enough()
	require.Equal(t, short, k.allowed.state)
}
