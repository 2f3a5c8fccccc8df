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
	n.cfg.Room.NoEstimate, n.cfg.Room.Loudest = true, 7
	o := sessionOptions(n)
	require.True(t, o.Router.NoEstimate)
	require.Equal(t, 7, o.Loudest)
}
