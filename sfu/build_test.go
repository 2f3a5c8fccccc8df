package sfu

import (
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session"
)

// TestSettingsOfRooms: what is set of rooms reaches them.
func TestSettingsOfRooms(t *testing.T) {
	c := config.Default()
	options := func() session.Options { return sessionOptions(&c, zerolog.Nop(), nil, nil) }
	require.False(t, options().Router.NoEstimate, "networks are looked at unless one says otherwise")
	require.False(t, options().Router.NoCache)
	c.Room.NoEstimate, c.Room.NoKeyframeCache, c.Room.Loudest = true, true, 7
	o := options()
	require.True(t, o.Router.NoEstimate)
	require.True(t, o.Router.NoCache)
	require.Equal(t, 7, o.Loudest)
}
