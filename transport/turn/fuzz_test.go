package turn

import (
	"bufio"
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// FuzzMessages: whatever comes on a connection is cut into messages that are no larger than one may be, and
// nothing is lost between them.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("\x00\x03\x00\x00!\x12\xa4B............\x40\x00\x00\x05hello\x00\x00\x00\x40\x01\x00\x00"))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Add([]byte("\x40\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), 2048)
		to := make([]byte, maxMessage+1)
		at := 0
		for {
			n, err := readMessage(r, to)
			if err != nil {
				return
			}
			if n < 4 || n > maxMessage {
				t.Fatalf("a message of %d bytes", n)
			}
			if !bytes.Equal(to[:n], b[at:at+n]) {
				t.Fatal("a message is not as it came")
			}
			at += n
			if to[0]&0xC0 == 0x40 {
				at += -n & 3
			}
		}
	})
}

// FuzzPeers: what is taken for an address of the media port is read the same way by pion/stun.
func FuzzPeers(f *testing.F) {
	media := netip.MustParseAddrPort("203.0.113.7:7882")
	s := &Server{o: Options{Peers: func() []netip.AddrPort { return []netip.AddrPort{media} }}}
	good, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodChannelBind, stun.ClassRequest),
		peerSetter{IP: media.Addr().AsSlice(), Port: int(media.Port())})
	if err != nil {
		f.Fatal(err)
	}
	if !s.toMedia(good.Raw, true) {
		f.Fatal("the media port is not known")
	}
	f.Add(good.Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if !s.toMedia(bytes.Clone(b), true) {
			return
		}
		m := &stun.Message{Raw: bytes.Clone(b)}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		var peer stun.XORMappedAddress
		if err := peer.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			t.Fatal(err)
		}
		if !peer.IP.Equal(media.Addr().AsSlice()) || peer.Port != int(media.Port()) {
			t.Fatalf("%v is taken for %v", peer, media)
		}
	})
}

type peerSetter stun.XORMappedAddress

func (p peerSetter) AddTo(m *stun.Message) error {
	return stun.XORMappedAddress(p).AddToAs(m, stun.AttrXORPeerAddress)
}
