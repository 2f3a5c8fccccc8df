package sfu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/config"
)

// TestSettingsOfRooms: what is set of rooms reaches them.
func TestSettingsOfRooms(t *testing.T) {
	n := &Node{cfg: config.Default()}
	require.False(t, sessionOptions(n).Router.NoEstimate, "networks are looked at unless one says otherwise")
	require.False(t, sessionOptions(n).Router.NoCache)
	n.cfg.Room.NoEstimate, n.cfg.Room.NoKeyframeCache, n.cfg.Room.Loudest = true, true, 7
	o := sessionOptions(n)
	require.True(t, o.Router.NoEstimate)
	require.True(t, o.Router.NoCache)
	require.Equal(t, 7, o.Loudest)
}
