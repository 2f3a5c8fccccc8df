package fakewire

import (
	"fmt"
	"strings"

	"parlor/packet"
)

const fingerprint = "34:B4:68:5F:BC:FF:D3:4C:9F:C9:A1:C1:D3:60:59:9F:61:23:6C:A1:11:CA:4D:0D:F4:62:4B:FC:29:AC:FF:11"

// Section is an m= section of an offer.
type Section struct {
	MID  string
	Kind packet.Kind
	Send bool     // the client sends; otherwise it receives
	RIDs []string // the simulcast layers of what it sends
}

// The ids of header extensions: the MID in every section, the level in those of sound, the RID in those with
// layers.
const (
	midExtension   = 9
	levelExtension = 10
	ridExtension   = 11
)

// Offer returns a client's SDP with VP8 and Opus.
func Offer(sections ...Section) string {
	var b strings.Builder
	mids := make([]string, len(sections))
	for i, s := range sections {
		mids[i] = s.MID
	}
	b.WriteString("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
	fmt.Fprintf(&b, "a=group:BUNDLE %s\r\n", strings.Join(mids, " "))
	for _, s := range sections {
		pt, rtpmap := 111, "opus/48000/2"
		if s.Kind == packet.Video {
			pt, rtpmap = 96, "VP8/90000"
		}
		direction := "recvonly"
		if s.Send {
			direction = "sendonly"
		}
		fmt.Fprintf(&b, "m=%s 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\n", s.Kind, pt)
		fmt.Fprintf(&b, "a=ice-ufrag:user\r\na=ice-pwd:userPasswordOf24Characters\r\na=fingerprint:sha-256 %s\r\n", fingerprint)
		fmt.Fprintf(&b, "a=setup:actpass\r\na=mid:%s\r\na=%s\r\na=rtcp-mux\r\na=rtpmap:%d %s\r\n", s.MID, direction, pt, rtpmap)
		fmt.Fprintf(&b, "a=extmap:%d urn:ietf:params:rtp-hdrext:sdes:mid\r\n", midExtension)
		if s.Kind == packet.Audio {
			fmt.Fprintf(&b, "a=extmap:%d urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n", levelExtension)
		}
		if len(s.RIDs) > 0 {
			fmt.Fprintf(&b, "a=extmap:%d urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n", ridExtension)
			fmt.Fprintf(&b, "a=rid:%s send\r\na=simulcast:send %s\r\n", strings.Join(s.RIDs, " send\r\na=rid:"), strings.Join(s.RIDs, ";"))
		}
	}
	return b.String()
}
