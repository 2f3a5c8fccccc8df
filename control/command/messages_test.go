package command

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/router"
	"parlor/session"
	"parlor/session/terms"
)

// TestUserAsWritten: streams that cannot be decoded and streams that are paused are told apart. The network
// to the user is told, too.
func TestUserAsWritten(t *testing.T) {
	u := session.UserInfo{Undecodable: []terms.Undecodable{
		{User: "ann", Source: terms.Camera, Sent: "VP8", Offered: "H264"}, {User: "ben", Source: terms.Screen, Paused: true},
	}}
	u.Usage.Network = router.Network{Limit: router.LimitLoss, Estimate: 123_456, Queue: 12345 * time.Microsecond, Red: 2}
	v := userOf(u)
	require.Equal(t, []Undecodable{{UserID: "ann", Source: "camera", Codec: "VP8", Offered: "H264"}}, v.Undecodable)
	text, err := json.Marshal(map[string]any{"p": v.Paused, "n": v.Network})
	require.NoError(t, err)
	require.JSONEq(t, `{"p":[{"UserId":"ben","Source":"screen"}],"n":{"LimitedBy":"loss","EstimateKbps":123,"QueueMs":12.3,"Red":2}}`, string(text))
	require.Equal(t, "unknown", userOf(session.UserInfo{}).Network.LimitedBy)
	for rtt, ms := range map[time.Duration]int64{0: 0, time.Microsecond: 1, 400 * time.Microsecond: 1, time.Millisecond: 1, 1001 * time.Microsecond: 2} {
		u := session.UserInfo{}
		u.Usage.RTT = rtt
		require.Equal(t, ms, userOf(u).RTTMS, "0 is for what is not known: %v", rtt)
	}
}
