package negotiate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// foreign are offers as encoders and players make them that do not keep to the letter, and which are taken
// all the same.
var foreign = map[string]string{
	"no line end at the end": strings.TrimSuffix(head+audio+video, "\r\n"),
	"LF":                     strings.ReplaceAll(head+audio+video, "\r\n", "\n"),
	"CR":                     strings.ReplaceAll(head+audio+video, "\r\n", "\r"),
	"CR CR LF":               strings.ReplaceAll(head+audio+video, "\r\n", "\r\r\n"),
	"mixed line ends":        strings.ReplaceAll(head, "\r\n", "\n") + audio + video,
	"empty lines":            "\r\n" + head + "\r\n" + audio + "\r\n\r\n" + video + "\r\n",
	"byte order mark":        "\ufeff" + head + audio + video,
	"NUL at the end":         head + audio + video + "\x00",
	"blanks at the end":      head + audio + video + "  \t",
	"blanks in lines":        strings.NewReplacer("sendonly\r", "sendonly \r", "mid:0\r", "mid: 0\r", "a=rtcp-mux", "a= rtcp-mux").Replace(head + audio + video),
	"attributes before t=":   "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\na=x\r\nt=0 0\r\n" + strings.TrimPrefix(head, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n") + audio + video,
	"no t=":                  edit("t=0 0\r\n", ""),
	"no s=":                  edit("s=-\r\n", ""),
	"no o=":                  edit("o=- 1 1 IN IP4 127.0.0.1\r\n", ""),
	"o= after t=":            edit("o=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", "t=0 0\r\ns=-\r\no=- 1 1 IN IP4 127.0.0.1\r\n"),
	"negative session id":    edit("o=- 1 1 ", "o=- -6012345678901234567 1 "),
	"session id too large":   edit("o=- 1 1 ", "o=- 99999999999999999999 1 "),
	"empty s=":               edit("s=-", "s="),
	"letters of a stranger":  edit("s=-", "s=-\r\ny=0\r\nf=v/2"),
	"c= after attributes":    head + audio + "c=IN IP4 0.0.0.0\r\nb=AS:64\r\n" + video,
	"one id of two extensions in the group": head + audio + "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" +
		video + "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n",
	"one id of two extensions in a section": head + audio + "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" +
		"a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n" + video,
	"port 0 in the group":    edit("m=video 9", "m=video 0"),
	"bundle-only":            strings.Replace(edit("m=video 9", "m=video 0"), "a=mid:1", "a=bundle-only\r\na=mid:1", 1),
	"bundle-only everywhere": strings.ReplaceAll(head+audio+video, "a=mid", "a=bundle-only\r\na=mid"),
	"bundle-only, all of port 0": strings.NewReplacer("audio 9", "audio 0", "video 9", "video 0", "a=mid", "a=bundle-only\r\na=mid").
		Replace(head + audio + video),
	"two BUNDLE groups, one empty": edit("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0 1\r\na=group:BUNDLE\r\na=group:LS 0 1\r\n"),
	"rtcp-mux-only":                strings.ReplaceAll(head+audio+video, "a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n"),
}

// TestForeignOffersAreTaken checks that both sections are taken, whatever was unusual.
func TestForeignOffersAreTaken(t *testing.T) {
	for name, offer := range foreign {
		t.Run(name, func(t *testing.T) {
			o, err := negotiate.ParseOffer(offer)
			require.NoError(t, err)
			text, sections, err := o.Answer(params())
			require.NoError(t, err)
			require.Equal(t, []string{"0 audio publish OPUS", "1 video publish VP8+rtx"}, []string{summary(sections[0]), summary(sections[1])})
			require.Contains(t, text, "a=group:BUNDLE 0 1\r\n")
			require.Equal(t, "0", o.TransportMID())
			audioPart, videoPart, _ := strings.Cut(text, "m=video")
			require.Contains(t, audioPart, "a=candidate:")
			require.NotContains(t, videoPart, "a=candidate:")
		})
	}
}

// TestSecondUseOfAnExtensionIDIsLeftOut: aiortc numbers the extensions of each section anew.
func TestSecondUseOfAnExtensionIDIsLeftOut(t *testing.T) {
	_, sections := answer(t, foreign["one id of two extensions in the group"], params())
	require.Equal(t, packet.Extensions{AudioLevel: 2}, sections[0].Ext)
	require.Equal(t, packet.Extensions{}, sections[1].Ext)
	_, sections = answer(t, foreign["one id of two extensions in a section"], params())
	require.Equal(t, packet.Extensions{AudioLevel: 2}, sections[0].Ext)

	const cc = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
	feedback := head + audio + "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" + video + "a=rtcp-fb:96 transport-cc\r\n"
	_, sections = answer(t, feedback+"a=extmap:2 "+cc, params())
	require.False(t, sections[1].Codecs[0].TransportCC, "its extension is left out")
	_, sections = answer(t, feedback+"a=extmap:3 "+cc, params())
	require.True(t, sections[1].Codecs[0].TransportCC)
}

// TestTaggedSectionThatWouldBeRefused: the others of the group have no transport of their own, so it stays,
// without media.
func TestTaggedSectionThatWouldBeRefused(t *testing.T) {
	offer := strings.NewReplacer("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF 118 119", "a=rtpmap:111 opus/48000/2", "a=rtpmap:118 L16/8000\r\na=fmtp:118 x=1",
		"m=video 9", "m=video 0", "a=mid:1", "a=bundle-only\r\na=mid:1", "sendonly", "recvonly").Replace(head + audio + video)
	o, err := negotiate.ParseOffer(offer)
	require.NoError(t, err)
	require.Equal(t, "0", o.TransportMID())
	require.NotEmpty(t, o.Sections()[0].Refused)
	text, sections := answer(t, offer, params())
	require.Equal(t, packet.Section{MID: "0", Kind: packet.Audio}, sections[0])
	require.Equal(t, "1 video receive VP8+rtx stream=seat-1", summary(sections[1]))
	require.Contains(t, text, "a=group:BUNDLE 0 1\r\n")
	audioPart, videoPart, _ := strings.Cut(text, "m=video")
	for _, want := range []string{"m=audio 9 UDP/TLS/RTP/SAVPF 118\r\n", "a=rtpmap:118 L16/8000\r\n", "a=fmtp:118 x=1\r\n", "a=inactive\r\n", "a=rtcp-mux\r\n", "a=candidate:", "a=ice-ufrag:"} {
		require.Contains(t, audioPart, want)
	}
	require.NotContains(t, videoPart, "a=candidate:")

	// with a port of its own the second section carries the transport, and the first one is refused
	text, _ = answer(t, strings.Replace(offer, "m=video 0", "m=video 9", 1), params())
	require.Contains(t, text, "a=group:BUNDLE 1\r\n")
	require.Contains(t, text, "m=audio 0 ")
}

// TestTaggedSectionThatCannotStay: nothing could be reached, so the offer is refused with the reason.
func TestTaggedSectionThatCannotStay(t *testing.T) {
	bundleOnly := strings.NewReplacer("m=video 9", "m=video 0", "a=mid:1", "a=bundle-only\r\na=mid:1").Replace(head + audio + video)
	for name, c := range map[string]struct{ old, new, reason string }{
		"no rtcp-mux": {"a=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n", "a=mid:0\r\na=sendonly\r\n", "rtcp-mux"},
		"no DTLS":     {"m=audio 9 UDP/TLS/RTP/SAVPF", "m=audio 9 RTP/AVP", "DTLS"},
		"data": {
			"m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=sctp-port:6000", "SCTP port",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := negotiate.ParseOffer(strings.Replace(bundleOnly, c.old, c.new, 1))
			var e *negotiate.Error
			require.ErrorAs(t, err, &e)
			require.True(t, e.Unsupported)
			require.Contains(t, e.Section, "mid 0")
			require.Contains(t, e.Text, "transport of the BUNDLE group")
			require.Contains(t, e.Text, c.reason)
		})
	}
}

// TestRefusedSectionInTheMiddle leaves the ones around it alone.
func TestRefusedSectionInTheMiddle(t *testing.T) {
	third := strings.Replace(audio, "mid:0", "mid:2", 1)
	offer := strings.NewReplacer("BUNDLE 0 1", "BUNDLE 0 1 2", "VP8", "VP4").Replace(head + audio + video + third)
	text, sections := answer(t, offer, params())
	require.Contains(t, text, "a=group:BUNDLE 0 2\r\n")
	require.True(t, sections[0].Active && !sections[1].Active && sections[2].Active)
}

// TestSectionsOfTheSecondGroupAreRefused: there is one transport.
func TestSectionsOfTheSecondGroupAreRefused(t *testing.T) {
	text, sections := answer(t, edit("a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n"), params())
	require.Contains(t, text, "a=group:BUNDLE 0\r\n")
	require.True(t, sections[0].Active && !sections[1].Active)
}

// TestPlayersDirections: of a client that only receives, sendrecv and no direction at all are answered with
// sendonly.
func TestPlayersDirections(t *testing.T) {
	for name, c := range map[string]struct {
		direction string
		publish   bool
		answer    string
	}{
		"sendrecv": {"a=sendrecv\r\n", false, "sendonly"},
		"none":     {"", false, "sendonly"},
		"recvonly": {"a=recvonly\r\n", false, "sendonly"},
		"sendonly": {"a=sendonly\r\n", true, "recvonly"},
		"inactive": {"a=inactive\r\n", false, "inactive"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := negotiate.ParsePlayer(strings.ReplaceAll(head+audio+video, "a=sendonly\r\n", c.direction))
			require.NoError(t, err)
			text, sections, err := o.Answer(params())
			require.NoError(t, err)
			require.Equal(t, 2, strings.Count(text, "a="+c.answer+"\r\n"), text)
			for _, s := range sections {
				require.Equal(t, c.publish, s.Publish)
				require.Equal(t, c.answer == "sendonly", s.SSRC != 0)
			}
		})
	}
}
