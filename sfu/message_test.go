package sfu_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parlor/client"
)

// talker is a guest that notes the custom messages that it gets, as "ann 1 hello", those by data channel with
// a star in front.
type talker struct {
	*guest
	messages *client.Messages // nil: without data channels

	mu   sync.Mutex
	said []string
}

func (l *live) talker(t *testing.T, user string, channels bool) *talker {
	t.Helper()
	w := &talker{}
	o := client.Options{Seats: 1, OnEvent: func(e client.Event) {
		if e.Type == client.MessageSent {
			w.note(fmt.Sprintf("%s %d %s", e.User, e.CmdID, e.Data))
		}
	}}
	if channels {
		w.messages = &client.Messages{On: func(s client.Said) {
			w.note(strings.TrimSpace(fmt.Sprintf("*%s %d %s%s", s.User, s.CmdID, s.Data, s.Refused)))
		}}
		o.Prepare = w.messages.Prepare
	}
	w.guest = l.join(t, user, o)
	if channels {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, w.messages.Await(ctx))
	}
	return w
}

func (w *talker) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, s)
}

func (w *talker) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.said)
}

func (w *talker) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = nil
}

func (w *talker) hears(t *testing.T, want ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Equal(c, want, w.heard()) }, 10*time.Second, 5*time.Millisecond)
}

// tell sends a message of the server over NATS.
func (l *live) tell(t *testing.T, data string, users ...string) (delivered, missed int) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"StrRoomId": "lobby", "CmdId": 9, "UserIds": users, "Data": base64.StdEncoding.EncodeToString([]byte(data))})
	require.NoError(t, err)
	m, err := l.nats.Request("sfu.v1.SendMessage", body, 10*time.Second)
	require.NoError(t, err)
	var answer struct{ Delivered, Missed int }
	require.NoError(t, json.Unmarshal(m.Data, &answer), "%s", m.Data)
	return answer.Delivered, answer.Missed
}

func TestMessagesOverRealDataChannels(t *testing.T) {
	l := startLive(t)
	ann, ben, cid := l.talker(t, "ann", true), l.talker(t, "ben", true), l.talker(t, "cid", false)
	ctx := context.Background()
	long := strings.Repeat("x", 1000)
	require.NoError(t, ann.messages.Send(1, []byte(long), true))
	require.NoError(t, ann.messages.Send(2, []byte(long+"x"), true))
	require.NoError(t, ann.messages.Send(11, nil, true))
	require.NoError(t, ann.messages.Send(3, nil, false))
	ann.hears(t, "* 2 bad_request", "* 11 bad_request")
	eventually(t, "both are with ben", func() bool { return len(ben.heard()) == 2 })
	require.ElementsMatch(t, []string{"*ann 1 " + long, "*ann 3"}, ben.heard(), "the unreliable one may come first")
	eventually(t, "both are with cid", func() bool { return len(cid.heard()) == 2 })
	require.ElementsMatch(t, []string{"ann 1 " + long, "ann 3 "}, cid.heard())
	require.NoError(t, cid.SendMessage(ctx, 4, []byte("hello"), true))
	ann.hears(t, "* 2 bad_request", "* 11 bad_request", "*cid 4 hello")

	eventually(t, "ben has got it, too", func() bool { return slices.Contains(ben.heard(), "*cid 4 hello") })
	ben.forget()
	cid.forget()
	var want, byChannel []string
	for i := range 25 {
		require.NoError(t, ann.messages.Send(5, fmt.Append(nil, i), true))
		want = append(want, fmt.Sprintf("ann 5 %d", i))
		byChannel = append(byChannel, "*"+want[i])
	}
	ben.hears(t, byChannel...)
	cid.hears(t, want...)

	// Nobody hears ann after she is out, nor she anybody, whatever is tried.
	l.command(t, "RemoveUser", `{"StrRoomId":"lobby","UserIds":["ann"]}`)
	for _, w := range []*talker{ann, ben, cid} {
		w.forget()
	}
	_ = ann.messages.Send(6, []byte("late"), true)
	require.NoError(t, ben.messages.Send(7, []byte("after"), true))
	cid.hears(t, "ben 7 after")
	require.Empty(t, ann.heard())
	require.Empty(t, ben.heard())
}

// TestSlowReaderOfADataChannel: a client whose network is dead loses messages, counted, and nobody else
// notices; what was taken for it arrives, in order, when it is back.
func TestSlowReaderOfADataChannel(t *testing.T) {
	l := startLive(t)
	ben, cid := l.talker(t, "ben", true), l.talker(t, "cid", true)
	ben.Silence(true)
	var taken []string
	const sent = 200
	for i := range sent {
		text := fmt.Sprintf("%03d%s", i, strings.Repeat("x", 900))
		delivered, missed := l.tell(t, text)
		require.Equal(t, 2, delivered+missed)
		if delivered == 2 {
			taken = append(taken, "* 9 "+text)
		}
	}
	require.Greater(t, len(taken), 100)
	require.Less(t, len(taken), 160, "128 KB of 900 bytes")
	eventually(t, "cid has got all", func() bool { return len(cid.heard()) == sent })
	_, metrics := get(t, l.url+"/metrics", nil)
	require.Contains(t, metrics, fmt.Sprintf(`parlor_messages_dropped_total{reason="slow_channel"} %d`, sent-len(taken)))
	require.Contains(t, metrics, fmt.Sprintf("parlor_messages_sent_total %d\n", sent))
	ben.Silence(false)
	ben.hears(t, taken...)
	require.NoError(t, ben.SendMessage(context.Background(), 1, []byte("back"), true))
	eventually(t, "ben is heard", func() bool { return slices.Contains(cid.heard(), "*ben 1 back") })
}
