package transport

import (
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"parlor/packet"
)

// rest lets the time pass after which the peer's DTLS goes to rest.
func (k *call) rest() {
	k.t.Helper()
	k.peer.tick(time.Now().Add(restAfter))
	if s := k.secure(); s.rested == nil || s.dtls != nil || s.conn != nil {
		k.t.Fatalf("not at rest: %+v", s)
	}
}

func (k *call) secure() secure {
	k.peer.mu.Lock()
	defer k.peer.mu.Unlock()
	return k.peer.secure
}

// eachRole runs a test over UDP and TCP, with the node as DTLS server and as client.
func eachRole(t *testing.T, f func(t *testing.T, k *call)) {
	for name, dialed := range map[string]func(*testing.T, *Endpoint) *call{
		"udp": func(t *testing.T, e *Endpoint) *call { return dial(t, e, clientOptions{}) },
		"tcp": func(t *testing.T, e *Endpoint) *call { return dial(t, e, clientOptions{setting: tcp4}) },
		"node is client": func(t *testing.T, e *Endpoint) *call {
			k := dialEdited(t, e, passiveOffer)
			k.waitConnected()
			return k
		},
	} {
		t.Run(name, func(t *testing.T) { f(t, dialed(t, start(t, Options{}))) })
	}
}

// readers counts the goroutines of the DTLS library that read for a peer of the node.
func readers() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "transport.(*dtlsConn).ReadFrom(")
}

func TestQuietDTLSRests(t *testing.T) {
	eachRole(t, func(t *testing.T, k *call) {
		k.peer.tick(time.Now().Add(restAfter - time.Second))
		if k.secure().rested != nil {
			t.Fatal("at rest before its time")
		}
		eventually(t, "somebody reads DTLS", func() bool { return readers() == 1 })
		k.rest()
		eventually(t, "nobody reads DTLS any more", func() bool { return readers() == 0 })
		k.sendDown(1, 5)
		k.checkUp(1, 5)
		if len(k.seen.lost) > 0 {
			t.Error("PeerLost by resting")
		}
	})
}

// TestProvenDTLSRestsSooner: a client that has sent media has the node's last flight.
func TestProvenDTLSRestsSooner(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	k.checkUp(1, 5)
	k.peer.tick(time.Now().Add(restProven))
	if k.secure().rested == nil {
		t.Error("not at rest")
	}
}

// TestClientClosesRestingDTLS leaves out TCP, as TestClientCloses does.
func TestClientClosesRestingDTLS(t *testing.T) {
	eachRole(t, func(t *testing.T, k *call) {
		if k.secure().conn.to.Load().tcp != nil {
			return
		}
		k.rest()
		if err := k.pc.SCTP().Transport().Stop(); err != nil {
			t.Fatal(err)
		}
		if err := wait(t, "PeerLost", k.seen.lost); !errors.Is(err, ErrRemoteClosed) {
			t.Errorf("lost by %v", err)
		}
	})
}

func TestNodeClosesRestingDTLS(t *testing.T) {
	eachRole(t, func(t *testing.T, k *call) {
		closed := make(chan struct{}, 8)
		k.pc.SCTP().Transport().OnStateChange(func(s webrtc.DTLSTransportState) {
			if s == webrtc.DTLSTransportStateClosed {
				closed <- struct{}{}
			}
		})
		k.rest()
		if err := k.peer.Close(); err != nil {
			t.Fatal(err)
		}
		wait(t, "close_notify at the client", closed)
		if len(k.seen.lost) > 0 {
			t.Error("PeerLost after Close")
		}
	})
}

// TestRecordNumbersAreNeverUsedTwice: a number that is used twice under one key gives AES-GCM's key away.
func TestRecordNumbersAreNeverUsedTwice(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	wire, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	pt := newPath(k.peer, origin{addr: addrFrom(wire.LocalAddr().(*net.UDPAddr).AddrPort()), sock: k.peer.ep.sockets[0]})
	var last uint64
	for range 4 {
		k.rest()
		k.peer.mu.Lock()
		err := k.peer.resumeLocked(pt)
		k.peer.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := k.peer.dtlsNow().Write([]byte("something")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 1500)
			_ = wire.SetReadDeadline(time.Now().Add(patience))
			if _, err := wire.Read(b); err != nil {
				t.Fatal(err)
			}
			number := binary.BigEndian.Uint64(b[3:]) // epoch and sequence number (RFC 6347, section 4.1)
			if number <= last {
				t.Fatalf("record %x follows %x", number, last)
			}
			last = number
		}
	}
}

// TestPlaintextWakesNobody: what anybody can forge must not bring back what rest has saved.
func TestPlaintextWakesNobody(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	k.rest()
	hello := []byte{recordHandshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}
	k.peer.mu.Lock()
	pt := k.peer.ice.nominated
	k.peer.mu.Unlock()
	if k.peer.takeDTLS(pt, bufferOf(hello), time.Now()) || k.secure().rested == nil {
		t.Error("a plaintext record has woken the connection")
	}
}

func bufferOf(b []byte) *packet.Buffer {
	buf := packet.Get()
	buf.B = append(buf.B[:0], b...)
	return buf
}

// TestDataChannelWakesRestingDTLS: a client may negotiate and open its first data channel long after it has
// come.
func TestDataChannelWakesRestingDTLS(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	k.rest()
	ch, err := k.pc.CreateDataChannel("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	open, back := make(chan struct{}), make(chan webrtc.DataChannelMessage, 1)
	ch.OnOpen(func() { close(open) })
	ch.OnMessage(func(m webrtc.DataChannelMessage) { back <- m })
	k.negotiate(false)
	wait(t, "the open data channel", open)
	if err := ch.SendText("hello"); err != nil {
		t.Fatal(err)
	}
	wait(t, "the message at the node", k.seen.messages)
	if err := k.peer.SendMessage("chat", []byte("hi"), true); err != nil {
		t.Fatal(err)
	}
	wait(t, "the answer", back)
	k.peer.tick(time.Now().Add(restAfter))
	if k.secure().rested != nil {
		t.Error("at rest under an association")
	}
	k.checkUp(1, 3)
	k.checkDown(1, 3)
}
