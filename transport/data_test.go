package transport

import (
	"bytes"
	"errors"
	"testing"

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
