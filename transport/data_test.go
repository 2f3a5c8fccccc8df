package transport

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/sctp"
	"github.com/pion/webrtc/v4"
)

// dialData connects with a data channel that is open.
func dialData(t *testing.T, e *Endpoint, setting func(*webrtc.SettingEngine)) (*call, *webrtc.DataChannel, chan webrtc.DataChannelMessage) {
	t.Helper()
	var ch *webrtc.DataChannel
	k := &call{client: newClient(t, clientOptions{setting: setting, data: true, channel: &ch}), writer: e.NewWriter(), box: newBox(), seen: newWitness()}
	open, back := make(chan struct{}), make(chan webrtc.DataChannelMessage, 64)
	ch.OnOpen(func() { close(open) })
	ch.OnMessage(func(m webrtc.DataChannelMessage) { back <- m })
	var err error
	if k.peer, err = e.NewPeer(PeerOptions{Inbox: k.box, Writer: k.writer, Events: k.seen}); err != nil {
		t.Fatal(err)
	}
	k.negotiate(false)
	k.waitConnected()
	wait(t, "the open data channel", open)
	eventually(t, "the node knows the channel", func() bool { // it acknowledges first
		k.peer.mu.Lock()
		defer k.peer.mu.Unlock()
		return len(k.peer.data.channels) == 1
	})
	return k, ch, back
}

func TestDataChannelEcho(t *testing.T) {
	for name, setting := range map[string]func(*webrtc.SettingEngine){"udp": nil, "tcp": tcp4} {
		t.Run(name, func(t *testing.T) {
			k, ch, back := dialData(t, start(t, Options{}), setting)
			for _, size := range []int{1, 1000, 5000, 60000} {
				want := bytes.Repeat([]byte{byte(size)}, size)
				if err := ch.Send(want); err != nil {
					t.Fatal(err)
				}
				m := wait(t, "a message at the node", k.seen.messages)
				if m.Label != "chat" || m.Text || !bytes.Equal(m.Data, want) {
					t.Fatalf("got %q, text %v, %d bytes; want %d", m.Label, m.Text, len(m.Data), size)
				}
				if err := k.peer.SendMessage(m.Label, m.Data, false); err != nil {
					t.Fatal(err)
				}
				if got := wait(t, "the echo", back); got.IsString || !bytes.Equal(got.Data, want) {
					t.Fatalf("echo of %d bytes, string %v", len(got.Data), got.IsString)
				}
			}
			if err := ch.SendText("hello"); err != nil {
				t.Fatal(err)
			}
			if m := wait(t, "text", k.seen.messages); !m.Text || string(m.Data) != "hello" {
				t.Errorf("got %+v", m)
			}
			k.checkUp(1, 3)
		})
	}
}

func TestDataChannelLimits(t *testing.T) {
	e := start(t, Options{Limits: Limits{MessageSize: 4000, DataBacklog: 8000}})
	k, ch, _ := dialData(t, e, nil)
	if err := k.peer.SendMessage("other", []byte("x"), true); !errors.Is(err, ErrNoChannel) {
		t.Errorf("unknown label: %v", err)
	}
	if err := k.peer.SendMessage("chat", make([]byte, 4001), false); !errors.Is(err, ErrMessageSize) {
		t.Errorf("too large: %v", err)
	}
	var err error
	for range 10000 {
		if err = k.peer.SendMessage("chat", make([]byte, 4000), false); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrBacklog) {
		t.Errorf("endless sending: %v", err)
	}
	if err := ch.Send(make([]byte, 4001)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the channel with too large a message is closed", func() bool {
		return e.Stats().Drops[DropMessage] > 0
	})
	k.checkUp(1, 3)
	k.checkDown(1, 3)
	k.peer.Close()
	if err := k.peer.SendMessage("chat", nil, false); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestEndMessages: not one SCTP packet goes out any more, be it of a message that waits, while media and DTLS
// go on.
func TestEndMessages(t *testing.T) {
	w := newWire(t)
	k, _, back := dialData(t, start(t, Options{}), w.setting)
	if err := k.peer.SendMessage("chat", []byte("before"), true); err != nil {
		t.Fatal(err)
	}
	wait(t, "the message before", back)
	k.peer.mu.Lock()
	ch := k.peer.data.channels["chat"]
	k.peer.mu.Unlock()
	k.peer.EndMessages()
	if err := k.peer.SendMessage("chat", []byte("after"), true); !errors.Is(err, ErrClosed) {
		t.Errorf("a message after the end: %v", err)
	}
	var records atomic.Int32
	reached, marker := make(chan struct{}), []byte{80, 'm', 'a', 'r', 'k'}
	read := func(b []byte) {
		switch {
		case string(b) == string(marker):
			close(reached)
		case classify(b) == classDTLS:
			records.Add(1)
		}
	}
	w.read.Store(&read)
	if _, err := ch.WriteDataChannel([]byte("one that waited in the association"), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the association has written", func() bool { return k.peer.ep.Stats().Drops[DropMessage] > 0 })
	if err := k.nominated().send(marker); err != nil {
		t.Fatal(err)
	}
	wait(t, "the marker", reached)
	if n := records.Load(); n > 0 {
		t.Errorf("%d DTLS datagrams after the end", n)
	}
	k.checkUp(1, 3)
	k.checkDown(1, 3)
}

// TestFloodOfMessagesIsReadSlowly: who sends without end waits, and costs nobody else anything.
func TestFloodOfMessagesIsReadSlowly(t *testing.T) {
	const perSecond = 20
	k, ch, _ := dialData(t, start(t, Options{Limits: Limits{MessageRate: perSecond}}), nil)
	began := time.Now()
	for range 3 * perSecond {
		if err := ch.Send([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * perSecond {
		wait(t, "a message", k.seen.messages)
	}
	if took := time.Since(began); took < 900*time.Millisecond { // 40 at once, 20 at 20 a second
		t.Errorf("all read within %v", took)
	}
}

// TestStreamsAreBounded: a client opens streams and never resets those that the node has refused.
func TestStreamsAreBounded(t *testing.T) {
	e := start(t, Options{Limits: Limits{Channels: 4}})
	var channel *webrtc.DataChannel
	p, seen, d := joinByHand(t, e, clientOptions{data: true, channel: &channel})
	a, err := sctp.ClientWithOptions(sctp.WithNetConn(d), sctp.WithLoggerFactory(noLogs))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	opened := 0
	for id := uint16(0); id < 2000; id += 2 {
		if _, err := datachannel.Dial(a, id, &datachannel.Config{Label: "c", LoggerFactory: noLogs}); err != nil {
			break
		}
		opened++
		if id%32 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	eventually(t, "the association has ended", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.data.allowed
	})
	p.mu.Lock()
	n := p.data.unreset
	p.mu.Unlock()
	if n != maxUnreset*4+1 || len(seen.lost) > 0 {
		t.Errorf("%d streams refused of %d, %d losses", n, opened, len(seen.lost))
	}
}
