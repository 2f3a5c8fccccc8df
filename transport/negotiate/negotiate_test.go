package negotiate_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/transport/negotiate"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

func params() negotiate.Params {
	given := map[string]uint32{}
	return negotiate.Params{
		UFrag: "nodeufrag", Pwd: "nodepassword0123456789ab",
		Fingerprint: "sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"),
		Candidates: []negotiate.Candidate{
			{Addr: netip.MustParseAddrPort("192.0.2.1:7882"), TCP: true},
			{Addr: netip.MustParseAddrPort("192.0.2.1:7882")},
			{Addr: netip.MustParseAddrPort("[2001:db8::1]:7882")},
		},
		CNAME: "node", SessionID: 7, Version: 3,
		SSRC: func(mid string, _ packet.Kind) (uint32, uint32) {
			if given[mid] == 0 {
				given[mid] = uint32(1000 + 2*len(given))
			}
			return given[mid], given[mid] + 1
		},
	}
}

func offers(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.sdp")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	out := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		out[strings.TrimSuffix(filepath.Base(f), ".sdp")] = string(b)
	}
	return out
}

// answer parses and answers, and checks what has to hold of every answer.
func answer(t testing.TB, offer string, p negotiate.Params) (string, []packet.Section) {
	t.Helper()
	o, err := negotiate.ParseOffer(offer)
	require.NoError(t, err)
	text, sections, err := o.Answer(p)
	require.NoError(t, err)
	requireMatches(t, offer, text)
	return text, sections
}

// sectionsOf reads the m= lines and attributes of a description that keeps to no order of lines and names
// what nobody knows.
func sectionsOf(text string) (out []*sdp.MediaDescription) {
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		line = strings.Trim(line, "\ufeff\x00\x1a \t")
		switch {
		case strings.HasPrefix(line, "m="):
			f := strings.Fields(line[2:])
			port, _ := strconv.Atoi(strings.Split(f[1], "/")[0])
			out = append(out, &sdp.MediaDescription{MediaName: sdp.MediaName{
				Media: f[0], Port: sdp.RangedPort{Value: port}, Protos: strings.Split(f[2], "/"), Formats: f[3:],
			}})
		case strings.HasPrefix(line, "a=") && len(out) > 0:
			key, value, _ := strings.Cut(strings.TrimLeft(line[2:], " \t"), ":")
			m := out[len(out)-1]
			m.Attributes = append(m.Attributes, sdp.Attribute{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)})
		}
	}
	return out
}

// requireMatches checks an answer against its offer by RFC 8829 §5.3 and RFC 9143. What the plain SDP parser
// takes it has to take when answered.
func requireMatches(t testing.TB, offerText, answerText string) {
	t.Helper()
	o, a := sectionsOf(offerText), sectionsOf(answerText)
	if new(sdp.SessionDescription).UnmarshalString(offerText) == nil {
		require.NoError(t, new(sdp.SessionDescription).UnmarshalString(answerText), answerText)
	}
	require.Len(t, a, len(o))
	top, _, _ := strings.Cut(answerText, "m=")
	_, group, _ := strings.Cut(top, "a=group:")
	group, _, _ = strings.Cut(group, "\r\n")
	bundled := strings.Fields(strings.TrimPrefix(group, "BUNDLE"))
	transports := 0
	for i, am := range a {
		om := o[i]
		mid, _ := om.Attribute("mid")
		amid, _ := am.Attribute("mid")
		require.Equal(t, mid, amid, "mid of section %d", i)
		require.Equal(t, om.MediaName.Media, am.MediaName.Media)
		require.Equal(t, om.MediaName.Protos, am.MediaName.Protos)
		if am.MediaName.Port.Value == 0 {
			require.NotContains(t, bundled, mid, "a refused section in the group")
			continue
		}
		if group != "" {
			require.Contains(t, bundled, mid)
		}
		if _, ok := am.Attribute("candidate"); ok {
			transports++
			require.True(t, group == "" || bundled[0] == mid, "candidates outside the tagged section")
		}
		requireFormats(t, om, am)
	}
	require.LessOrEqual(t, transports, 1)
}

// requireFormats checks that an accepted section names only what was offered.
func requireFormats(t testing.TB, om, am *sdp.MediaDescription) {
	t.Helper()
	offered := map[string]bool{}
	for _, f := range om.MediaName.Formats {
		offered[f] = true
		if n, err := strconv.Atoi(f); err == nil { // 000 is payload type 0
			offered[strconv.Itoa(n)] = true
		}
	}
	for _, f := range am.MediaName.Formats {
		require.True(t, offered[f], "%s of %v", f, om.MediaName.Formats)
	}
	for _, at := range am.Attributes {
		switch at.Key {
		case "rtpmap", "fmtp", "rtcp-fb":
			pt, _, _ := strings.Cut(at.Value, " ")
			require.Contains(t, am.MediaName.Formats, pt)
		case "extmap":
			id, uri, _ := strings.Cut(at.Value, " ")
			id, _, _ = strings.Cut(id, "/")
			require.True(t, slices.ContainsFunc(om.Attributes, func(o sdp.Attribute) bool {
				num, rest, _ := strings.Cut(o.Value, " ")
				num, _, _ = strings.Cut(num, "/")
				return o.Key == "extmap" && num == id && strings.HasPrefix(strings.TrimSpace(rest), uri)
			}), "extmap %s was not offered", at.Value)
		case "rtcp-mux-only":
			_, ok := om.Attribute("rtcp-mux-only")
			require.True(t, ok, "rtcp-mux-only was not offered (RFC 8858 §4.3)")
		}
	}
}

// TestAnswersOfRealOffers compares the answers to recorded offers with what browsers took when they were
// recorded.
func TestAnswersOfRealOffers(t *testing.T) {
	for name, offer := range offers(t) {
		t.Run(name, func(t *testing.T) {
			got, _ := answer(t, offer, params())
			file := filepath.Join("testdata", name+".answer")
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, strings.Split(string(want), "\r\n"), strings.Split(got, "\r\n"))
		})
	}
}

// summary is a section in one line: what a reader wants to compare.
func summary(s packet.Section) string {
	var b strings.Builder
	b.WriteString(s.MID + " " + s.Kind.String())
	switch {
	case !s.Active:
		b.WriteString(" off")
	case s.Publish:
		b.WriteString(" publish")
	default:
		b.WriteString(" receive")
	}
	for _, c := range s.Codecs {
		b.WriteString(" " + c.Name)
		if c.RTX != 0 {
			b.WriteString("+rtx")
		}
	}
	if len(s.RIDs) > 0 {
		b.WriteString(" rids=" + strings.Join(s.RIDs, ","))
	}
	if s.Stream != "" {
		b.WriteString(" stream=" + s.Stream)
	}
	return b.String()
}

func TestSectionsOfRealOffers(t *testing.T) {
	h264x6 := " H264+rtx H264+rtx H264+rtx H264+rtx H264+rtx H264+rtx"
	chromeVideo := " VP8+rtx" + h264x6 + " AV1+rtx VP9+rtx VP9+rtx"
	firefoxVideo := " VP8+rtx VP9+rtx AV1+rtx"
	want := map[string][]string{
		"chromium-paused":  {"0 video publish" + chromeVideo + " rids=h,f"},
		"chromium-red-vp9": {"0 video publish VP9+rtx VP9+rtx", "1 audio publish RED OPUS"},
		"chromium-data":    nil,
		"firefox-client": {
			"0 video publish" + firefoxVideo + " rids=q,h,f", "1 audio publish OPUS G722 PCMU PCMA",
			"2 video receive" + firefoxVideo + " stream=seat-1", "3 audio receive OPUS G722 PCMU PCMA stream=seat-1",
			"4 video receive" + firefoxVideo + " stream=seat-2", "5 audio receive OPUS G722 PCMU PCMA stream=seat-2",
			"6 video receive" + firefoxVideo + " stream=seat-3", "7 audio receive OPUS G722 PCMU PCMA stream=seat-3",
		},
		"firefox-client-recycled": {
			"0 video off" + firefoxVideo, "1 audio publish OPUS G722 PCMU PCMA",
			"2 video receive" + firefoxVideo + " stream=seat-1", "3 audio receive OPUS G722 PCMU PCMA stream=seat-1",
			"9 video receive" + firefoxVideo + " stream=seat-2", "5 audio receive OPUS G722 PCMU PCMA stream=seat-2",
			"6 video receive" + firefoxVideo + " stream=seat-3", "7 audio receive OPUS G722 PCMU PCMA stream=seat-3",
		},
		"firefox-sendrecv": {"0 audio publish OPUS G722 PCMU PCMA", "1 video publish" + firefoxVideo},
		"safari":           {"0 audio publish OPUS RED G722 PCMU PCMA", "1 video publish H264+rtx H264+rtx H265+rtx VP8+rtx AV1+rtx"},
		"obs":              {"0 audio publish OPUS", "1 video publish H264"},
		"ffmpeg":           {"0 audio publish OPUS", "1 video publish H264"},
		"gstreamer":        {"video0 video publish H264+rtx", "audio1 audio publish OPUS"},
	}
	all := offers(t)
	for name, lines := range want {
		t.Run(name, func(t *testing.T) {
			_, sections := answer(t, all[name], params())
			var got []string
			for _, s := range sections {
				got = append(got, summary(s))
			}
			require.Equal(t, lines, got)
		})
	}
}

func TestOfferTellsTheTransport(t *testing.T) {
	all := offers(t)
	for name, want := range map[string]struct {
		ufrag  string
		setup  negotiate.Setup
		active bool
		data   bool
		mid    string
	}{
		"firefox-client": {"", negotiate.ActPass, false, true, "0"},
		"ffmpeg":         {"6b1e9bd2", negotiate.Passive, true, false, "0"},
		"obs":            {"nxcM", negotiate.ActPass, false, false, "0"},
		"safari":         {"//pY", negotiate.ActPass, false, false, "0"},
		"chromium-data":  {"", negotiate.ActPass, false, true, "0"},
		"gstreamer":      {"Yy4ARlGS/5cFyMSMGMDXNlXiAwLbZuLv", negotiate.ActPass, false, false, "video0"},
	} {
		o, err := negotiate.ParseOffer(all[name])
		require.NoError(t, err, name)
		ufrag, pwd := o.ICE()
		if want.ufrag != "" {
			require.Equal(t, want.ufrag, ufrag, name)
		}
		require.GreaterOrEqual(t, len(pwd), 22, name)
		require.Equal(t, want.setup, o.Setup(), name)
		require.Equal(t, want.active, o.NodeActive(), name)
		require.Equal(t, want.data, o.HasData(), name)
		require.Equal(t, want.mid, o.TransportMID(), name)
		require.Len(t, o.Fingerprints(), 1, name)
		require.Equal(t, "sha-256", o.Fingerprints()[0].Algo, name)
		require.Len(t, o.Fingerprints()[0].Value, 95, name)
	}
}

func TestICERestartChangesOnlyCredentials(t *testing.T) {
	all := offers(t)
	before, err := negotiate.ParseOffer(all["firefox-client-recycled"])
	require.NoError(t, err)
	after, err := negotiate.ParseOffer(all["firefox-client-restart"])
	require.NoError(t, err)
	u1, p1 := before.ICE()
	u2, p2 := after.ICE()
	require.NotEqual(t, u1, u2)
	require.NotEqual(t, p1, p2)
	require.Equal(t, before.Fingerprints(), after.Fingerprints())
}
