package negotiate_test

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"parlor/packet"
)

// client is a real PeerConnection that negotiates with Offer.Answer instead of a node.
type client struct {
	*webrtc.PeerConnection
	t *testing.T
}

func newClient(t *testing.T) *client {
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.Close() })
	return &client{PeerConnection: pc, t: t}
}

// negotiate offers, answers, and applies the answer.
func (c *client) negotiate(restart bool) (string, []packet.Section) {
	c.t.Helper()
	offer, err := c.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	require.NoError(c.t, err)
	require.NoError(c.t, c.SetLocalDescription(offer))
	text, sections := answer(c.t, c.LocalDescription().SDP, params())
	require.NoError(c.t, c.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}), text)
	return text, sections
}

func track(t *testing.T, mime, rid string) webrtc.TrackLocal {
	opts := []func(*webrtc.TrackLocalStaticRTP){}
	if rid != "" {
		opts = append(opts, webrtc.WithRTPStreamID(rid))
	}
	tr, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, "video", "stream", opts...)
	require.NoError(t, err)
	return tr
}

func (c *client) seat(kind webrtc.RTPCodecType) *webrtc.RTPTransceiver {
	tr, err := c.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	require.NoError(c.t, err)
	return tr
}

func TestPionPublishesSimulcast(t *testing.T) {
	c := newClient(t)
	sender, err := c.AddTrack(track(t, webrtc.MimeTypeVP8, "q"))
	require.NoError(t, err)
	for _, rid := range []string{"h", "f"} {
		require.NoError(t, sender.AddEncoding(track(t, webrtc.MimeTypeVP8, rid)))
	}
	_, err = c.AddTrack(track(t, webrtc.MimeTypeOpus, ""))
	require.NoError(t, err)
	text, sections := c.negotiate(false)
	require.Equal(t, []string{"q", "h", "f"}, sections[0].RIDs)
	require.Contains(t, text, "a=simulcast:recv q;h;f\r\n")
	require.NotZero(t, sections[0].Ext.RID)
	require.NotZero(t, sections[0].Ext.MID)
	require.True(t, sections[0].Publish && sections[1].Publish, "pion's default sendrecv is taken as publishing")
}

func TestPionSeatsStopRecycleRestart(t *testing.T) {
	c := newClient(t)
	_, err := c.CreateDataChannel("x", nil)
	require.NoError(t, err)
	var seats []*webrtc.RTPTransceiver
	for range 3 {
		seats = append(seats, c.seat(webrtc.RTPCodecTypeVideo), c.seat(webrtc.RTPCodecTypeAudio))
	}
	text, sections := c.negotiate(false)
	require.Len(t, sections, 6)
	require.Contains(t, text, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")
	for i, s := range sections {
		require.True(t, s.Active && !s.Publish && s.SSRC != 0, "section %d", i)
		require.Equal(t, sections[i/2*2].Stream, s.Stream, "a seat has one stream")
	}
	before := c.RemoteDescription().SDP
	require.NoError(t, seats[2].Stop())
	_, sections = c.negotiate(true)
	require.False(t, sections[2].Active)
	require.True(t, sections[3].Active)
	c.seat(webrtc.RTPCodecTypeVideo)
	_, sections = c.negotiate(false)
	require.NotEqual(t, before, c.RemoteDescription().SDP)
	active := 0
	for _, s := range sections {
		if s.Active {
			active++
		}
	}
	require.Equal(t, 6, active)
}

func TestPionDataOnly(t *testing.T) {
	c := newClient(t)
	_, err := c.CreateDataChannel("x", nil)
	require.NoError(t, err)
	text, sections := c.negotiate(false)
	require.Empty(t, sections)
	require.Contains(t, text, "a=sctp-port:5000\r\n")
	require.Contains(t, text, "a=max-message-size:65536\r\n")
}

// TestPionTakesRefusals applies an answer in which one section has port 0.
func TestPionTakesRefusals(t *testing.T) {
	m := &webrtc.MediaEngine{}
	require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/L16", ClockRate: 8000}, PayloadType: 118,
	}, webrtc.RTPCodecTypeAudio))
	require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, PayloadType: 96,
	}, webrtc.RTPCodecTypeVideo))
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(m)).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.Close() })
	c := &client{PeerConnection: pc, t: t}
	c.seat(webrtc.RTPCodecTypeAudio)
	c.seat(webrtc.RTPCodecTypeVideo)
	text, sections := c.negotiate(false)
	require.False(t, sections[0].Active)
	require.True(t, sections[1].Active)
	require.True(t, strings.Contains(text, "m=audio 0 "))
}
