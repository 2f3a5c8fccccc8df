package router

import (
	"testing"
	"time"

	"github.com/pion/rtp"
)

// TestWhatLayersNeedIsSentUntilItArrives: the receiver does not say a word. Packets of base temporal layers
// and of no others are sent again, also if a retransmission is lost.
func TestWhatLayersNeedIsSentUntilItArrives(t *testing.T) {
	for temporal, want := range map[byte]int{0: 3, 2: 0} {
		w, s, _, high := onStage(t, "VP9")
		link := w.access(4, 20e6)
		lost, again := 0, 0
		lose := func(p *rtp.Packet) bool {
			n := len(p.Payload)
			original := p.SSRC == 6000 && lost == 0 && n >= 4 && p.Payload[n-4] == 0xaa && p.Payload[n-2] == temporal
			if original || lost > 0 && lost < 3 && p.SSRC == 6001 {
				lost++
				return true
			}
			return false
		}
		step := func() {
			w.deliver(1, false, s.next(s.picture == 0)...)
			w.pass(33 * time.Millisecond)
			link.report()
		}
		for range 90 {
			step()
		}
		from := len(high.rtp)
		link.loss = func(float64) bool { return link.told >= from && lose(high.rtp[link.told]) }
		for range 30 {
			step()
		}
		for _, p := range high.rtp[from:] {
			if n := len(p.Payload); p.SSRC == 6001 && n > 6 && p.Payload[n-4] == 0xaa {
				again++
			}
		}
		if again != want {
			t.Errorf("temporal layer %d: sent %d times again, want %d", temporal, again, want)
		}
	}
}
