package transport

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// TestAnswersComeFromTheAddressAsked: on a wildcard address each answer, and the media of the nominated path
// in runs and alone, comes from the address that the client has sent to.
func TestAnswersComeFromTheAddressAsked(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0"} {
		t.Run(listen, func(t *testing.T) {
			e := start(t, Options{Listen: netip.MustParseAddrPort(listen)})
			p, c, _ := offered(t, e)
			client := sink(t)
			from := func() string {
				buf := make([]byte, 2000)
				for {
					_ = client.SetReadDeadline(time.Now().Add(patience))
					n, at, err := client.ReadFromUDPAddrPort(buf)
					if err != nil {
						t.Fatal(err)
					}
					if asked := requestOf(buf[:n]); asked != nil {
						_, _ = client.WriteToUDPAddrPort(responseTo(t, asked, c), at)
						continue
					}
					return at.Addr().Unmap().String()
				}
			}
			for i, ip := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
				check := checkOf(t, c)
				if ip == "127.0.0.3" { // not nominated
					check = build(t, stun.NewUsername(c.ufrag+":x"), c.key, stun.Fingerprint).Raw
				}
				if _, err := client.WriteToUDP(check, &net.UDPAddr{IP: net.ParseIP(ip), Port: int(e.Addr().Port())}); err != nil {
					t.Fatal(err)
				}
				if got := from(); got != ip {
					t.Errorf("check %d: sent to %s, answered from %s", i, ip, got)
				}
			}
			eventually(t, "the second path is nominated", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.ice.nominated != nil && p.ice.nominated.local == localIP(netip.MustParseAddr("127.0.0.2").As16())
			})
			send, _ := srtpPair(t)
			p.lane.setOut(p, send)
			p.mu.Lock()
			nominated, paths := p.ice.nominated, len(p.ice.paths)
			p.mu.Unlock()
			p.lane.setDest(p, nominated)
			for i, size := range []int{500, 500, 500, 900, 1000} {
				p.SendRTP(header(uint16(i)), make([]byte, size))
			}
			p.lane.mu.Lock()
			p.lane.flushLocked()
			p.lane.mu.Unlock()
			if err := nominated.send([]byte{22, 1, 2}); err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				if got := from(); got != "127.0.0.2" {
					t.Errorf("packet %d comes from %s", i, got)
				}
			}
			if s := e.Stats(); paths != 3 || s.Drops[DropSendFailed] != 0 {
				t.Errorf("%d paths, %d packets refused by the kernel", paths, s.Drops[DropSendFailed])
			}
		})
	}
}
