package whip

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/session"
	"parlor/session/fakewire"
	"parlor/session/terms"
	"parlor/transport/negotiate"
)

// section reads "V0>": video, mid 0, the client sends; "a1<": audio, it receives; "-": not active.
func section(s string) negotiate.OfferedSection {
	o := negotiate.OfferedSection{MID: s[1:2], Kind: packet.Video, Publish: s[2] == '>', Receive: s[2] == '<', Active: s[2] != '-'}
	if s[0] == 'a' {
		o.Kind = packet.Audio
	}
	return o
}

func sectionsOf(l ...string) []negotiate.OfferedSection {
	var out []negotiate.OfferedSection
	for _, s := range l {
		out = append(out, section(s))
	}
	return out
}

func TestPublishPlan(t *testing.T) {
	for _, c := range []struct {
		sections []string
		want     map[string]terms.Source
	}{
		{[]string{"V0>", "a1>"}, map[string]terms.Source{"0": terms.Camera, "1": terms.Mic}},
		{[]string{"a0>", "a1>", "V2>", "V3>"}, map[string]terms.Source{"0": terms.Mic, "1": terms.ScreenAudio, "2": terms.Camera, "3": terms.Screen}},
		{[]string{"V0-", "V1>", "a2-"}, map[string]terms.Source{"1": terms.Camera}},
		{[]string{"V0>", "a1<"}, nil},
		{[]string{"V0<", "a1-"}, nil},
		{[]string{"V0>", "V1>", "V2>"}, nil},
		{nil, nil},
	} {
		plan, err := publishPlan("sdp", sectionsOf(c.sections...))
		if c.want == nil {
			require.Error(t, err, "%v", c.sections)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, session.OfferPlan{SDP: "sdp", Publish: c.want}, plan)
	}
}

func TestPlayPlan(t *testing.T) {
	for _, c := range []struct {
		sections []string
		want     []session.SeatPlan
	}{
		{[]string{"V0<", "a1<"}, []session.SeatPlan{{ID: "seat-1", Video: "0", Audio: "1"}}},
		{[]string{"a0<", "a1<", "V2<"}, []session.SeatPlan{{ID: "seat-1", Video: "2", Audio: "0"}, {ID: "seat-2", Audio: "1"}}},
		{[]string{"V0<", "V1<", "V2-", "V3<", "a4<"}, []session.SeatPlan{
			{ID: "seat-1", Video: "0", Audio: "4"}, {ID: "seat-2", Video: "1"}, {ID: "seat-3", Video: "3"},
		}},
		{[]string{"a0<"}, []session.SeatPlan{{ID: "seat-1", Audio: "0"}}},
		{[]string{"V0>", "a1-"}, nil},
		{[]string{"V0<", "a1>"}, nil},
		{nil, nil},
	} {
		plan, err := playPlan("sdp", sectionsOf(c.sections...))
		if c.want == nil {
			require.Error(t, err, "%v", c.sections)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, session.OfferPlan{SDP: "sdp", Seats: c.want, Player: true}, plan)
	}
}

func TestIfMatch(t *testing.T) {
	require.True(t, wildcard([]string{"*"}))
	require.True(t, wildcard([]string{` "*" `}))
	require.False(t, wildcard([]string{`"a"`}))
	require.True(t, matches([]string{`"a", "b"`, `"c"`}, `"c"`))
	require.False(t, matches([]string{`W/"c"`}, `"c"`))
	require.False(t, matches([]string{""}, `"c"`))
}

// TestEndedResourcesAreDropped checks that the memory of the doors follows the sessions that there are.
func TestEndedResourcesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := session.New(session.Options{}, new(fakewire.Transport), nil)
		room, err := terms.StringRoom("lobby")
		require.NoError(t, err)
		var table resources
		var kept *resource
		for i := range 10 {
			s, _, err := rooms.Enter(t.Context(), session.EnterRequest{
				Room: room, User: fmt.Sprintf("u%d", i), Grant: terms.Grant{Rights: terms.AllRights()},
			})
			require.NoError(t, err)
			res := table.add(s, new(negotiate.Offer))
			if i == 0 {
				kept = res
				continue
			}
			require.NoError(t, s.Exit(t.Context()))
			synctest.Wait()
			require.Len(t, table.byID, 1)
			if i == 9 {
				table.add(s, new(negotiate.Offer)) // of a session that has ended already
				synctest.Wait()
				require.Len(t, table.byID, 1)
			}
		}
		got, err := table.find(kept.id, "lobby")
		require.NoError(t, err)
		require.Same(t, kept, got)
		require.NoError(t, rooms.Shutdown(t.Context()))
	})
}
