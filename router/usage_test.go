package router

import (
	"reflect"
	"testing"

	"github.com/pion/rtcp"
)

// TestUsageIsPerMember: usage says what came of each source and what went to whom. It has those members alone
// that are asked for.
func TestUsageIsPerMember(t *testing.T) {
	w := newWorld(t)
	w.join(1, 1, map[string]Source{"v": Camera, "a": Mic}, pubVideo("v", 100), pubAudio("a", 200))
	w.join(3, 3, nil, seatVideo("5", 5000), seatAudio("6", 6000))
	w.join(4, 4, nil, seatVideo("5", 5500))
	w.watch(3, "5", 1, Camera, High)
	w.watch(3, "6", 1, Mic, High)
	video, audio := w.vp8(1, 100), &sender{w: w, peer: 1, ssrc: 200, pt: opus.PT}
	w.deliver(1, false, video.frame(true, 5)...)
	w.deliver(1, false, video.frame(false, 4)...)
	w.deliver(1, false, audio.audio(), audio.audio())
	w.rtcp(3, &rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 5000, TotalLost: 3}, {SSRC: 6000, TotalLost: 1<<24 - 1}}})

	u := w.c.usage([]MemberID{1, 3, 4, 9})
	ann, bob := u[1], u[3]
	if c := ann.Sources[Camera]; c.Packets != 9 || c.Layers != 1 || c.Codec != "VP8" || c.Bytes == 0 {
		t.Errorf("camera: %+v", c)
	}
	if m := ann.Sources[Mic]; m.Packets != 2 || m.Codec != "OPUS" {
		t.Errorf("mic: %+v", m)
	}
	if ann.Packets != 0 || ann.Sources[Screen] != (SourceUsage{}) {
		t.Errorf("the publisher: %+v", ann)
	}
	if bob.Packets != 11 || bob.Bytes == 0 || bob.Lost != 3 {
		t.Errorf("who watches and listens: %+v", bob)
	}
	if !reflect.DeepEqual(u[4], Usage{}) || !reflect.DeepEqual(u[9], Usage{}) || len(u) != 4 {
		t.Errorf("who gets nothing, and who is not there: %+v", u)
	}
	d, of := w.c.detail(3), w.c.detail(1)
	if len(d.Tracks) != 0 || len(d.Sinks) != 2 || d.Sinks[0].Want.Track != (TrackKey{Member: 1, Source: Camera}) || d.Sinks[0].Packets != 9 || !d.Sinks[0].Feeding {
		t.Errorf("in detail, who watches: %+v", d)
	}
	if len(of.Sinks) != 0 || len(of.Tracks) != 2 || of.Tracks[0].Layers[0].Packets != 9 || !reflect.DeepEqual(of.Tracks[0].Layers[0].Viewers, []MemberID{3}) {
		t.Errorf("in detail, the publisher: %+v", of)
	}
	if one := w.c.usage([]MemberID{3}); len(one) != 1 {
		t.Errorf("only one was asked for: %+v", one)
	}
}
