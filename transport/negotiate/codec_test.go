package negotiate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// taken answers an offer of one section with these lines and returns what was agreed on.
func taken(t *testing.T, kind, direction, formats string, lines ...string) (string, packet.Section) {
	t.Helper()
	text, sections := answer(t, oneSection(kind, direction, formats, lines...), params())
	return text, sections[0]
}

// oneSection is an offer of one section with these lines.
func oneSection(kind, direction, formats string, lines ...string) string {
	return strings.Replace(head, "BUNDLE 0 1", "BUNDLE 0", 1) + "m=" + kind + " 9 UDP/TLS/RTP/SAVPF " + formats +
		"\r\na=mid:0\r\na=rtcp-mux\r\na=" + direction + "\r\n" + strings.Join(append(lines, ""), "\r\n")
}

func TestOpusParametersComeBack(t *testing.T) {
	text, s := taken(t, "audio", "sendonly", "111 63 0", "a=rtpmap:111 opus/48000/2",
		"a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;stereo=1", "a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111")
	require.Equal(t, []packet.Codec{
		{Name: "OPUS", ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1;usedtx=1;stereo=1", PT: 111, NACK: true},
		{Name: "RED", ClockRate: 48000, Channels: 2, Fmtp: "111/111", PT: 63, NACK: true},
		{Name: "PCMU", ClockRate: 8000, PT: 0},
	}, s.Codecs)
	require.Contains(t, text, "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0\r\n")
}

// TestStereoIsTold: only receivers that ask for it hear that stereo may come.
func TestStereoIsTold(t *testing.T) {
	for _, x := range []struct{ direction, fmtp, want string }{
		{"recvonly", "minptime=10;stereo=1", "minptime=10;stereo=1;sprop-stereo=1"},
		{"recvonly", "stereo = 1; sprop-stereo=0", "stereo = 1; sprop-stereo=0"},
		{"recvonly", "stereo=0", "stereo=0"},
		{"recvonly", "minptime=10", "minptime=10"},
		{"sendonly", "stereo=1", "stereo=1"},
	} {
		text, s := taken(t, "audio", x.direction, "111", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 "+x.fmtp)
		require.Equal(t, x.want, s.Codecs[0].Fmtp)
		require.Contains(t, text, "a=fmtp:111 "+x.want+"\r\n")
	}
}

// TestTelephoneCodecs: cameras offer G.711 alone, often under its static payload type and without an rtpmap.
func TestTelephoneCodecs(t *testing.T) {
	for name, x := range map[string]struct {
		formats string
		lines   []string
		want    []packet.Codec
		answer  string
	}{
		"PCMA":      {"8", []string{"a=rtpmap:8 PCMA/8000"}, []packet.Codec{{Name: "PCMA", ClockRate: 8000, PT: 8}}, "8 PCMA/8000"},
		"static":    {"8", nil, []packet.Codec{{Name: "PCMA", ClockRate: 8000, PT: 8}}, "8 PCMA/8000"},
		"one more":  {"0", []string{"a=rtpmap:0 PCMU/8000/1"}, []packet.Codec{{Name: "PCMU", ClockRate: 8000, Channels: 1, PT: 0}}, "0 PCMU/8000/1"},
		"G.722":     {"9 13 101", []string{"a=rtpmap:13 CN/8000", "a=rtpmap:101 telephone-event/8000"}, []packet.Codec{{Name: "G722", ClockRate: 8000, PT: 9}}, "9 G722/8000"},
		"remapped":  {"0", []string{"a=rtpmap:0 L16/8000"}, nil, ""},
		"16 kHz":    {"97", []string{"a=rtpmap:97 PCMA/16000"}, nil, ""},
		"events":    {"101", []string{"a=rtpmap:101 telephone-event/8000"}, nil, ""},
		"RED of it": {"63 0", []string{"a=rtpmap:63 red/48000/2", "a=fmtp:63 0/0"}, []packet.Codec{{Name: "PCMU", ClockRate: 8000, PT: 0}}, "0 PCMU/8000"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, direction := range []string{"sendonly", "recvonly"} {
				if x.want == nil {
					_, err := negotiate.ParseOffer(oneSection("audio", direction, x.formats, x.lines...))
					require.ErrorContains(t, err, "no codec that the node forwards")
					continue
				}
				text, s := taken(t, "audio", direction, x.formats, x.lines...)
				require.Equal(t, x.want, s.Codecs)
				require.True(t, s.Active)
				require.Contains(t, text, "a=rtpmap:"+x.answer+"\r\n")
			}
		})
	}
	_, s := taken(t, "video", "sendonly", "96 0", "a=rtpmap:96 VP8/90000")
	require.Len(t, s.Codecs, 1, "a static payload type of sound is none of pictures")
}

// TestWhatFewDecodeComesLast: of what a publisher offers it sends the first of the answer.
func TestWhatFewDecodeComesLast(t *testing.T) {
	_, s := taken(t, "audio", "sendonly", "8 111", "a=rtpmap:111 opus/48000/2")
	require.Equal(t, "OPUS", s.Codecs[0].Name)
	_, s = taken(t, "audio", "recvonly", "8 111", "a=rtpmap:111 opus/48000/2")
	require.Equal(t, "PCMA", s.Codecs[0].Name, "a receiver's order says nothing")

	pts := func(direction string) []uint8 {
		_, s := taken(t, "video", direction, "98 96 100 101 102 103 104 105 106 107", "a=rtpmap:98 VP9/90000", "a=fmtp:98 profile-id=2", "a=rtpmap:96 VP8/90000",
			"a=rtpmap:100 VP9/90000", "a=fmtp:100 profile-id=0", "a=rtpmap:101 H264/90000", "a=fmtp:101 packetization-mode=1;profile-level-id=F4001f",
			"a=rtpmap:102 H264/90000", "a=fmtp:102 packetization-mode=1;profile-level-id=64001f", "a=rtpmap:103 H264/90000", "a=fmtp:103 packetization-mode=2;profile-level-id=42e01f",
			"a=rtpmap:104 AV1/90000", "a=fmtp:104 profile=1", "a=rtpmap:105 AV1/90000", "a=rtpmap:106 H265/90000", "a=fmtp:106 profile-id=2", "a=rtpmap:107 H265/90000")
		var l []uint8
		for _, c := range s.Codecs {
			l = append(l, c.PT)
		}
		return l
	}
	require.Equal(t, []uint8{100, 96, 98, 102, 101, 103, 105, 104, 107, 106}, pts("sendonly"))
	require.Equal(t, []uint8{98, 96, 100, 101, 102, 103, 104, 105, 106, 107}, pts("recvonly"))
}

// TestLostSoundIsAskedFor by libwebrtc, if the answer says so; it never offers that, and is known by its RED
// around Opus. Others are told of nothing that they have not offered (RFC 4585 section 4.2).
func TestLostSoundIsAskedFor(t *testing.T) {
	red := []string{"a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"}
	for _, direction := range []string{"sendonly", "recvonly"} {
		text, _ := taken(t, "audio", direction, "111 63 0", append(red, "a=rtpmap:111 opus/48000/2")...)
		require.Contains(t, text, "a=rtcp-fb:111 nack\r\n")
		require.NotContains(t, text, "a=rtcp-fb:0 nack")
		text, _ = taken(t, "audio", direction, "111 0", append(red, "a=rtpmap:111 opus/48000/2")...)
		require.NotContains(t, text, "nack")
		text, _ = taken(t, "audio", direction, "111", "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 nack")
		require.Contains(t, text, "a=rtcp-fb:111 nack\r\n")
	}
}

func TestREDNeedsItsBlocks(t *testing.T) {
	for _, fmtp := range []string{"a=fmtp:63 111/112", "a=fmtp:63 0/0", "a=x"} {
		_, s := taken(t, "audio", "sendonly", "111 63", "a=rtpmap:111 opus/48000/2", "a=rtpmap:63 red/48000/2", fmtp)
		require.Len(t, s.Codecs, 1, fmtp)
	}
}

func TestRTX(t *testing.T) {
	_, s := taken(t, "video", "recvonly", "96 97 98 99 100", "a=rtpmap:96 VP8/90000", "a=rtpmap:98 H264/90000",
		"a=rtpmap:97 RTX/90000", "a=fmtp:97 apt=98;rtx-time=200", "a=rtpmap:99 rtx/90000", "a=fmtp:99 apt=98", "a=rtpmap:100 rtx/90000")
	require.Equal(t, uint8(0), s.Codecs[0].RTX)
	require.Equal(t, uint8(97), s.Codecs[1].RTX, "the first that names it")
	require.NotZero(t, s.RTXSSRC)
	_, s = taken(t, "video", "recvonly", "96", "a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")
	require.Zero(t, s.Codecs[0].RTX, "a payload type that the m= line does not list")
	require.Zero(t, s.RTXSSRC)
}

func TestFeedback(t *testing.T) {
	const twcc = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	text, s := taken(t, "video", "sendonly", "96 98", "a=rtpmap:96 VP8/90000", "a=rtpmap:98 VP9/90000", "a=fmtp:98 profile-id=2", twcc,
		"a=rtcp-fb:* nack", "a=rtcp-fb:96 nack  pli", "a=rtcp-fb:98 ccm fir", "a=rtcp-fb:* transport-cc", "a=rtcp-fb:96 goog-remb")
	require.Equal(t, []packet.Codec{
		{Name: "VP8", ClockRate: 90000, PT: 96, NACK: true, PLI: true, TransportCC: true},
		{Name: "VP9", ClockRate: 90000, PT: 98, Fmtp: "profile-id=2", NACK: true, FIR: true, TransportCC: true},
	}, s.Codecs)
	require.NotContains(t, text, "goog-remb")
	_, s = taken(t, "video", "sendonly", "96", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 transport-cc")
	require.False(t, s.Codecs[0].TransportCC, "without its header extension")
}

// TestREMB: only receivers without transport-wide feedback are to tell a rate.
func TestREMB(t *testing.T) {
	codec, remb := "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 goog-remb"
	text, _ := taken(t, "video", "recvonly", "96", codec, remb)
	require.Contains(t, text, remb)
	text, _ = taken(t, "video", "recvonly", "96", codec)
	require.NotContains(t, text, "goog-remb", "it was not offered")
	text, _ = taken(t, "video", "sendonly", "96", codec, remb)
	require.NotContains(t, text, "goog-remb", "the node tells publishers none")
	text, _ = taken(t, "video", "recvonly", "96", codec, remb, "a=rtcp-fb:96 transport-cc",
		"a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01")
	require.NotContains(t, text, "goog-remb")
}

func TestParameterSetsAreNotEchoed(t *testing.T) {
	_, s := taken(t, "video", "sendonly", "96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAFdoC,aM4=;profile-level-id=42c015")
	require.Equal(t, "packetization-mode=1;profile-level-id=42c015", s.Codecs[0].Fmtp)
}

func TestExtensions(t *testing.T) {
	lines := []string{
		"a=rtpmap:96 VP8/90000",
		"a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
		"a=extmap:2/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
		"a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
		"a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
		"a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
		"a=extmap:6 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on",
		"a=extmap:7 urn:3gpp:video-orientation",
		"a=extmap:8/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
		"a=extmap:20 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
		"a=extmap:4096 urn:ietf:params:rtp-hdrext:toffset",
		"a=extmap:9/inactive urn:ietf:params:rtp-hdrext:sdes:mid",
		"a=extmap:10 urn:example:unknown",
	}
	text, s := taken(t, "video", "sendonly", "96", lines...)
	require.Equal(t, packet.Extensions{
		MID: 1, RID: 2, RepairedRID: 3, AbsSendTime: 4, TransportCC: 5, AudioLevel: 6, VideoOrientation: 7, DependencyDescriptor: 20,
	}, s.Ext)
	require.Contains(t, text, "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n")
	require.NotContains(t, text, "example")
	text, s = taken(t, "video", "recvonly", "96", lines...)
	require.Equal(t, packet.Extensions{
		MID: 1, AbsSendTime: 4, TransportCC: 5, AudioLevel: 6, VideoOrientation: 7, PlayoutDelay: 8, DependencyDescriptor: 20,
	}, s.Ext)
	require.Contains(t, text, "a=extmap:8/sendonly ")
}

func TestTwoByteIDsNeedAllowMixed(t *testing.T) {
	const line = "a=extmap:20 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
	offer := strings.Replace(head, "a=extmap-allow-mixed\r\n", "", 1) + audio + line + video
	text, sections := answer(t, offer, params())
	require.Zero(t, sections[0].Ext.MID)
	require.NotContains(t, text, "allow-mixed")
	text, sections = answer(t, strings.Replace(offer, line, line+"a=extmap-allow-mixed\r\n", 1), params())
	require.Equal(t, uint8(20), sections[0].Ext.MID)
	require.Equal(t, 1, strings.Count(text, "a=extmap-allow-mixed"))
}

func TestSSRCsOfTheClient(t *testing.T) {
	_, s := taken(t, "video", "sendonly", "96", "a=rtpmap:96 VP8/90000", "a=ssrc-group:FID 1 2", "a=ssrc-group:FID 3 4",
		"a=ssrc-group:SIM 1 3", "a=ssrc-group:FEC-FR 1 5",
		"a=ssrc:1 cname:a", "a=ssrc:1 msid:x y", "a=ssrc:2 cname:a", "a=ssrc:3 cname:a", "a=ssrc:4 cname:a", "a=ssrc:5 cname:a")
	require.Equal(t, []uint32{1, 3}, s.SSRCs)
	require.Equal(t, map[uint32]uint32{2: 1, 4: 3}, s.RTXOf)
}

func TestSimulcast(t *testing.T) {
	vp8 := []string{"a=rtpmap:96 VP8/90000", "a=rtpmap:98 VP9/90000"}
	for name, c := range map[string]struct {
		lines  []string
		rids   []string
		answer []string
	}{
		"three": {
			[]string{"a=rid:q send", "a=rid:h send max-width=640;max-fps=15;x=y", "a=rid:f send", "a=simulcast:send q;h;f"},
			[]string{"q", "h", "f"}, []string{"a=rid:q recv", "a=rid:h recv max-width=640;max-fps=15", "a=rid:f recv", "a=simulcast:recv q;h;f"},
		},
		"paused": {
			[]string{"a=rid:q send", "a=rid:h send", "a=simulcast:send ~q;h"},
			[]string{"h"}, []string{"a=rid:q recv", "a=simulcast:recv ~q;h"},
		},
		"alternatives": {
			[]string{"a=rid:a send pt=96", "a=rid:b send pt=98", "a=rid:c send pt=50,98,98", "a=simulcast:send ~a,b;c"},
			[]string{"b", "c"}, []string{"a=rid:b recv pt=98", "a=rid:c recv pt=98", "a=simulcast:recv b;c"},
		},
		"alternatives all paused": {
			[]string{"a=rid:a send", "a=rid:b send", "a=rid:c send", "a=simulcast:send ~a,~b;c"},
			[]string{"c"}, []string{"a=simulcast:recv ~a;c"},
		},
		"of a codec not taken": {
			[]string{"a=rid:a send pt=50", "a=rid:b send", "a=simulcast:send a;b"},
			[]string{"b"}, []string{"a=rid:b recv", "a=simulcast:recv b"},
		},
		"both directions": {
			[]string{"a=rid:a send", "a=rid:b send", "a=rid:z recv", "a=simulcast:recv z send a;b"},
			[]string{"a", "b"}, []string{"a=simulcast:recv a;b"},
		},
		"one RID alone": {[]string{"a=rid:a send"}, []string{"a"}, []string{"a=rid:a recv"}},
		"none":          {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text, s := taken(t, "video", "sendonly", "96 98", append(vp8, c.lines...)...)
			require.Equal(t, c.rids, s.RIDs)
			for _, line := range c.answer {
				require.Contains(t, text, line+"\r\n")
			}
			require.NotContains(t, text, "a=rid:z")
		})
	}
}
