package negotiate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/packet"
	"parlor/transport/negotiate"
)

const fingerprint = "4E:7F:77:DB:7E:A3:A6:4E:5D:27:EB:39:D2:1B:96:9F:91:C9:58:8B:30:B4:AA:0F:77:60:5A:F3:86:60:03:F3"

const head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n" +
	"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=setup:actpass\r\na=fingerprint:sha-256 " + fingerprint + "\r\n"

const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"

const video = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\n" +
	"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"

func edit(old, new string) string { return strings.Replace(head+audio+video, old, new, 1) }

func manySSRCs() string {
	var b strings.Builder
	for i := range 33 {
		fmt.Fprintf(&b, "a=ssrc:%d cname:x\r\n", i)
	}
	return b.String()
}

// TestParseOfferErrors checks that what makes an offer unusable is refused, and that the error says where.
func TestParseOfferErrors(t *testing.T) {
	_, err := negotiate.ParseOffer(head + audio + video)
	require.NoError(t, err, "the offer that the cases spoil")
	for name, c := range map[string]struct {
		offer, section, field string
		line                  int
	}{
		"empty":                     {offer: "", field: "m"},
		"no SDP":                    {offer: "hello", line: 1},
		"JSON":                      {offer: "{\"type\":\"offer\"}", line: 1},
		"no section":                {offer: head, field: "m"},
		"control character":         {offer: edit("a=mid:0", "a=mid:0\x00"), line: 13, field: "a"},
		"no version":                {offer: edit("v=0\r\n", ""), line: 1, field: "v"},
		"another version":           {offer: edit("v=0", "v=1"), line: 1, field: "v"},
		"two descriptions":          {offer: head + audio + head + audio, line: 17, field: "v"},
		"short m line":              {offer: edit("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF"), line: 11, field: "m"},
		"port no number":            {offer: edit("m=audio 9", "m=audio 65536"), line: 11, field: "m"},
		"too large":                 {offer: head + audio + video + strings.Repeat("a=x\r\n", negotiate.MaxOfferSize/5)},
		"too many sections":         {offer: head + strings.Repeat(audio, negotiate.MaxSections+1), field: "m"},
		"no ufrag":                  {offer: edit("a=ice-ufrag:abcd\r\n", ""), section: "section 1 (audio, mid 0)", field: "ice-ufrag"},
		"ufrag with colon":          {offer: edit("abcd", "ab:d"), section: "section 1 (audio, mid 0)", field: "ice-ufrag"},
		"short pwd":                 {offer: edit("abcdefghijklmnopqrstuv", "abc"), section: "section 1 (audio, mid 0)", field: "ice-pwd"},
		"no fingerprint":            {offer: edit("a=fingerprint:", "a=x:"), section: "section 1 (audio, mid 0)", field: "fingerprint"},
		"weak fingerprint":          {offer: edit("sha-256 ", "sha-1 "), section: "section 1 (audio, mid 0)", field: "fingerprint"},
		"bad setup":                 {offer: edit("actpass", "holdconn"), section: "section 1 (audio, mid 0)", field: "setup"},
		"ice-lite":                  {offer: edit("a=setup", "a=ice-lite\r\na=setup"), field: "ice-lite"},
		"no mid":                    {offer: edit("a=mid:1\r\n", ""), section: "section 2 (video)", field: "mid"},
		"mid twice":                 {offer: edit("a=mid:1\r\n", "a=mid:0\r\n"), section: "section 2 (video, mid 0)", field: "mid"},
		"mid too long":              {offer: edit("a=mid:1", "a=mid:"+strings.Repeat("1", 33)), field: "mid"},
		"mid no token":              {offer: edit("a=mid:1", "a=mid:a b"), section: "section 2 (video, mid a b)", field: "mid"},
		"BUNDLE of a stranger":      {offer: edit("BUNDLE 0 1", "BUNDLE 0 9"), field: "group"},
		"BUNDLE twice":              {offer: edit("BUNDLE 0 1", "BUNDLE 0 0"), field: "group"},
		"payload type not a number": {offer: edit("SAVPF 111", "SAVPF opus"), section: "section 1 (audio, mid 0)", field: "m"},
		"payload type twice":        {offer: edit("SAVPF 111", "SAVPF 111 111"), section: "section 1 (audio, mid 0)", field: "m"},
		"payload type of two codecs": {
			offer:   strings.ReplaceAll(head+audio+video, "111", "96"),
			section: "section 2 (video, mid 1)", field: "rtpmap",
		},
		"payload type of RTX and a codec": {
			offer:   strings.ReplaceAll(head+audio+video, "111", "97"),
			section: "section 2 (video, mid 1)", field: "rtpmap",
		},
		"rtpmap not a number":  {offer: edit("rtpmap:96", "rtpmap:x"), section: "section 2 (video, mid 1)", field: "rtpmap"},
		"extension id 0":       {offer: head + audio + video + "a=extmap:0 urn:x\r\n", section: "section 2 (video, mid 1)", field: "extmap"},
		"SSRC no number":       {offer: head + audio + video + "a=ssrc:x cname:y\r\n", section: "section 2 (video, mid 1)", field: "ssrc"},
		"SSRC of two sections": {offer: head + audio + "a=ssrc:5 cname:y\r\n" + video + "a=ssrc:5 cname:y\r\n", section: "section 2 (video, mid 1)", field: "ssrc"},
		"too many SSRCs":       {offer: head + audio + video + manySSRCs(), section: "section 2 (video, mid 1)", field: "ssrc"},
		"FID of itself":        {offer: head + audio + video + "a=ssrc-group:FID 5 5\r\n", section: "section 2 (video, mid 1)", field: "ssrc-group"},
		"RID bad":              {offer: head + audio + video + "a=rid:a b\r\n", section: "section 2 (video, mid 1)", field: "rid"},
		"too many RIDs": {offer: head + audio + video + "a=rid:0 send\r\na=rid:1 send\r\na=rid:2 send\r\na=rid:3 send\r\na=rid:4 send\r\n" +
			"a=rid:5 send\r\na=rid:6 send\r\na=rid:7 send\r\na=rid:8 send\r\n", section: "section 2 (video, mid 1)", field: "rid"},
		"RID twice":            {offer: head + audio + video + "a=rid:a send\r\na=rid:a send\r\n", section: "section 2 (video, mid 1)", field: "rid"},
		"simulcast of unknown": {offer: head + audio + video + "a=rid:a send\r\na=simulcast:send a;b\r\n", section: "section 2 (video, mid 1)", field: "simulcast"},
		"simulcast repeats":    {offer: head + audio + video + "a=rid:a send\r\na=simulcast:send a;a\r\n", section: "section 2 (video, mid 1)", field: "simulcast"},
		"simulcast malformed":  {offer: head + audio + video + "a=rid:a send\r\na=simulcast:a;a\r\n", section: "section 2 (video, mid 1)", field: "simulcast"},
		"nothing can be taken": {
			offer:   strings.NewReplacer("opus", "speex", "VP8", "VP4").Replace(head + audio + video),
			section: "section 1 (audio, mid 0)", field: "m",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := negotiate.ParseOffer(c.offer)
			var e *negotiate.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Text)
			require.Equal(t, c.field, e.Field, e)
			if c.section != "" || c.line != 0 {
				require.Equal(t, c.section, e.Section, e)
			}
			if c.line != 0 {
				require.Equal(t, c.line, e.Line, e)
			}
			if c.section != "" {
				require.Regexp(t, "^(m="+strings.Fields(e.Section)[2][1:6]+"|a="+e.Field+":)", strings.Split(c.offer, "\n")[e.Line-1])
			}
			require.Contains(t, e.Error(), e.Text)
			require.Equal(t, name == "nothing can be taken", e.Unsupported)
		})
	}
}

// TestRefusedSections checks that a section that cannot be taken gets port 0 and leaves the other one alone.
func TestRefusedSections(t *testing.T) {
	for name, c := range map[string]struct{ offer, reason string }{
		"not bundled":       {edit("BUNDLE 0 1", "BUNDLE 0"), "BUNDLE"},
		"second of none":    {edit("a=group:BUNDLE 0 1\r\n", ""), "BUNDLE"},
		"no rtcp-mux":       {head + audio + strings.Replace(video, "a=rtcp-mux\r\n", "", 1), "rtcp-mux"},
		"no known codec":    {edit("VP8", "VP4"), "codec"},
		"only RED":          {edit("VP8", "red"), "codec"},
		"wrong clock rate":  {edit("VP8/90000", "VP8/8000"), "codec"},
		"no DTLS":           {edit("video 9 UDP/TLS/RTP/SAVPF", "video 9 RTP/AVP"), "DTLS"},
		"text":              {edit("m=video 9 UDP/TLS/RTP/SAVPF 96 97", "m=text 9 RTP/SAVP t140"), ""},
		"old data channel":  {head + audio + "m=application 9 DTLS/SCTP 5000\r\na=mid:1\r\na=sctpmap:5000 webrtc-datachannel 1024\r\n", ""},
		"another SCTP port": {head + audio + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=sctp-port:6000\r\n", ""},
		"conflicting types": {strings.ReplaceAll(head+audio+video, "96", "72"), "codec"},
	} {
		t.Run(name, func(t *testing.T) {
			text, sections := answer(t, c.offer, params())
			require.Equal(t, 1, strings.Count(text, "\r\nm=audio 9 "), text)
			require.Regexp(t, `\r\nm=\w+ 0 `, text)
			require.True(t, sections[0].Active)
			o, err := negotiate.ParseOffer(c.offer)
			require.NoError(t, err)
			require.False(t, o.HasData())
			if c.reason == "" {
				require.Len(t, o.Sections(), 1)
				return
			}
			require.False(t, sections[1].Active)
			require.Empty(t, sections[1].Codecs)
			require.Contains(t, o.Sections()[1].Refused, c.reason)
			require.False(t, o.Sections()[1].Active)
		})
	}
}

func TestOneSectionWithoutBundle(t *testing.T) {
	text, sections := answer(t, strings.Replace(head, "a=group:BUNDLE 0 1\r\n", "", 1)+audio, params())
	require.NotContains(t, text, "a=group")
	require.True(t, sections[0].Active)
}

// TestStoppedAndRecycled follows a section through port 0 and a new mid, as browsers reuse m= lines.
func TestStoppedAndRecycled(t *testing.T) {
	stopped := strings.Replace(edit("BUNDLE 0 1", "BUNDLE 0"), "m=video 9", "m=video 0", 1)
	p := params()
	text, sections := answer(t, stopped, p)
	require.Contains(t, text, "m=video 0 ")
	require.Contains(t, text, "a=group:BUNDLE 0\r\n")
	require.Equal(t, packet.Section{MID: "1", Kind: packet.Video, Publish: true}, sections[1])

	recycled := strings.Replace(edit("BUNDLE 0 1", "BUNDLE 0 r2"), "a=mid:1\r\na=sendonly", "a=mid:r2\r\na=recvonly", 1)
	text, sections = answer(t, recycled, p)
	require.Contains(t, text, "a=group:BUNDLE 0 r2\r\n")
	require.Equal(t, "r2", sections[1].MID)
	require.True(t, sections[1].Active)
	require.False(t, sections[1].Publish)

	// the section that carried the transport is stopped: the next one of the group takes over
	first := strings.Replace(edit("BUNDLE 0 1", "BUNDLE 1"), "m=audio 9", "m=audio 0", 1)
	text, _ = answer(t, first, p)
	require.Contains(t, text, "m=audio 0 ")
	require.Contains(t, text[strings.Index(text, "m=video"):], "a=candidate:")

	everything := strings.NewReplacer("m=audio 9", "m=audio 0", "m=video 9", "m=video 0", "a=group:BUNDLE 0 1\r\n", "").Replace(head + audio + video)
	text, sections = answer(t, everything, p)
	require.NotContains(t, text, "a=group")
	require.Len(t, sections, 2)
	require.False(t, sections[0].Active || sections[1].Active)
}

// TestTransportOfBundleOnly: a bundle-only section need not state a transport, so one that does is looked
// for.
func TestTransportOfBundleOnly(t *testing.T) {
	const creds = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 " + fingerprint + "\r\n"
	bare := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
	o, err := negotiate.ParseOffer(bare + strings.Replace(audio, "a=mid:0", "a=bundle-only\r\na=mid:0", 1) + video + creds)
	require.NoError(t, err)
	require.Equal(t, "1", o.TransportMID())
	require.Equal(t, negotiate.Active, o.Setup(), "what RFC 4145 says where it is missing")
}

func TestInactive(t *testing.T) {
	text, sections := answer(t, head+audio+strings.Replace(video, "sendonly", "inactive", 1), params())
	require.Contains(t, text[strings.Index(text, "m=video"):], "a=inactive\r\n")
	require.Contains(t, text, "m=video 9 ")
	require.Contains(t, text, "BUNDLE 0 1")
	require.False(t, sections[1].Active)
	require.Zero(t, sections[1].SSRC)
}

// TestSSRCsStayWithTheMID is what keeps a seat's stream the same over re-offers.
func TestSSRCsStayWithTheMID(t *testing.T) {
	seats := strings.ReplaceAll(head+audio+video, "sendonly", "recvonly")
	p := params()
	_, one := answer(t, seats, p)
	swapped := strings.ReplaceAll(head+video+audio, "sendonly", "recvonly")
	text, two := answer(t, swapped, p)
	require.Equal(t, one[0].SSRC, two[1].SSRC)
	require.Equal(t, one[1].SSRC, two[0].SSRC)
	require.NotZero(t, one[1].RTXSSRC)
	require.Zero(t, one[0].RTXSSRC, "no RTX for sound was offered")
	require.Contains(t, text, fmt.Sprintf("a=ssrc-group:FID %d %d\r\n", two[0].SSRC, two[0].RTXSSRC))
	require.Contains(t, text, "a=msid:seat-1 video-1\r\n")
	require.Contains(t, text, "a=msid:seat-1 audio-0\r\n")
}

func TestStreamsByCaller(t *testing.T) {
	seats := strings.ReplaceAll(head+audio+video, "sendonly", "recvonly")
	p := params()
	p.Streams = map[string]string{"0": "ann", "1": "not a token"}
	text, sections := answer(t, seats, p)
	require.Equal(t, "ann", sections[0].Stream)
	require.Equal(t, "seat-1", sections[1].Stream)
	require.Contains(t, text, "a=msid:ann audio-0\r\n")
}

func TestDTLSRole(t *testing.T) {
	answerRole := func(setup string, r negotiate.Role) string {
		o, err := negotiate.ParseOffer(edit("a=setup:actpass", setup))
		require.NoError(t, err)
		p := params()
		p.Role = r
		text, _, err := o.Answer(p)
		if err != nil {
			var e *negotiate.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "setup", e.Field)
			return "error"
		}
		_, rest, _ := strings.Cut(text, "a=setup:")
		role, _, _ := strings.Cut(rest, "\r\n")
		return role
	}
	for _, c := range []struct {
		setup string
		role  negotiate.Role
		want  string
	}{
		{"a=setup:actpass", negotiate.RoleByOffer, "passive"},
		{"a=setup:active", negotiate.RoleByOffer, "passive"},
		{"a=x", negotiate.RoleByOffer, "passive"},
		{"a=setup:passive", negotiate.RoleByOffer, "active"},
		{"a=setup:actpass", negotiate.RoleActive, "active"},
		{"a=setup:actpass", negotiate.RolePassive, "passive"},
		{"a=setup:active", negotiate.RoleActive, "error"},
		{"a=setup:passive", negotiate.RolePassive, "error"},
	} {
		require.Equal(t, c.want, answerRole(c.setup, c.role), "%+v", c)
	}
}

// TestAsManySeatsAsAreAllowed: 128 others with picture and sound, what one sends, and a data channel, each as
// long as browsers make it after web/client/sdp.js has left out what they say twice.
func TestAsManySeatsAsAreAllowed(t *testing.T) {
	const (
		sections = 2*128 + 5
		seat     = 2 << 10 // bytes of the two sections of one
	)
	var mids, b strings.Builder
	for i := range sections {
		fmt.Fprintf(&mids, " %d", i)
		section, direction := audio, "a=recvonly"
		if i%2 == 1 {
			section = video
		}
		if i >= 2*128 {
			direction = "a=sendonly"
		}
		section = strings.Replace(section, "a=sendonly", direction, 1)
		section = strings.Replace(section, fmt.Sprintf("a=mid:%d\r\n", i%2), fmt.Sprintf("a=mid:%d\r\n", i), 1)
		b.WriteString(section + strings.Repeat("a=x-more:of what browsers say of a codec\r\n", 21))
	}
	text := strings.Replace(head, "BUNDLE 0 1", "BUNDLE"+mids.String(), 1) + b.String()
	require.Greater(t, len(text), 128*seat, "an offer of so many is no shorter")
	require.LessOrEqual(t, len(text), negotiate.MaxOfferSize)
	offer, err := negotiate.ParseOffer(text)
	require.NoError(t, err)
	require.Len(t, offer.Sections(), sections)
}
