package negotiate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"parlor/packet"
)

// direction is the direction of a section, as the client sees it.
type direction uint8

const (
	inactive direction = iota
	sendonly
	recvonly
	sendrecv
)

var directions = map[string]direction{"inactive": inactive, "sendonly": sendonly, "recvonly": recvonly, "sendrecv": sendrecv}

// sends tells whether the node takes the section as one that the client publishes on.
func (d direction) sends() bool { return d == sendonly || d == sendrecv }

// section is one m= section of the offer.
type section struct {
	index   int
	mid     string
	media   string // as in the m= line
	kind    packet.Kind
	proto   string
	format  string // the first one of the m= line, for a refusal
	dir     direction
	stopped bool   // port 0: the client has done with it
	refused string // why the node cannot take it; empty: it can

	bundleOnly bool // port 0 means bundled, not stopped
	data       bool // SCTP data channels
	maxMessage uint64

	codecs     []codec
	extmaps    []extmap
	allowMixed bool // extmap-allow-mixed on this section
	rsize      bool // reduced-size RTCP (RFC 5506)
	layers     []layer
	simulcast  bool // a=simulcast names what the client sends
	ssrcs      ssrcs
	transport  transport
}

// taken tells whether the section gets a port in the answer.
func (s *section) taken() bool { return !s.stopped && s.refused == "" }

// active tells whether media can flow.
func (s *section) active() bool { return s.taken() && s.dir != inactive }

// name is how errors call the section.
func (s *section) name() string {
	if s.mid == "" {
		return fmt.Sprintf("section %d (%s)", s.index+1, s.media)
	}
	return fmt.Sprintf("section %d (%s, mid %s)", s.index+1, s.media, s.mid)
}

func (s *section) fault(field, text string) *Error {
	return &Error{Section: s.name(), Field: field, Text: text}
}

// attributes are those of a section, looked at by key. There are a hundred of them with a dozen keys of interest, so that
// searching costs less than an index.
type attributes []sdp.Attribute

// all returns the values of a key in their order.
func (a attributes) all(key string) []string {
	n := 0
	for i := range a {
		if a[i].Key == key {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	values := make([]string, 0, n)
	for i := range a {
		if a[i].Key == key {
			values = append(values, a[i].Value)
		}
	}
	return values
}

func (a attributes) find(key string) (value string, ok bool) {
	for i := range a {
		if a[i].Key == key {
			return a[i].Value, true
		}
	}
	return "", false
}

func (a attributes) has(key string) bool { _, ok := a.find(key); return ok }

func (a attributes) first(key string) string { v, _ := a.find(key); return v }

func parseSection(index int, m *sdp.MediaDescription, ses session) (*section, *Error) {
	s := &section{
		index: index, media: m.MediaName.Media, dir: ses.dir,
		proto:      strings.Join(m.MediaName.Protos, "/"),
		allowMixed: ses.allowMixed,
	}
	if len(m.MediaName.Formats) == 0 {
		return nil, s.fault("m", "has no format")
	}
	s.format = m.MediaName.Formats[0]
	a := attributes(m.Attributes)
	for _, at := range m.Attributes {
		s.transport.add(at)
		if dir, ok := directions[at.Key]; ok {
			s.dir = dir
		}
	}
	s.transport = s.transport.inherit(ses.transport)
	s.mid = a.first("mid")
	if e := s.checkMID(); e != nil {
		return nil, e
	}
	s.bundleOnly = m.MediaName.Port.Value == 0 && a.has("bundle-only")
	s.stopped = m.MediaName.Port.Value == 0 && !s.bundleOnly
	s.allowMixed = s.allowMixed || a.has("extmap-allow-mixed")
	switch s.media {
	case "audio":
		s.kind = packet.Audio
	case "video":
		s.kind = packet.Video
	case "application":
		s.parseData(m.MediaName.Formats, a)
		return s, nil
	default:
		s.refused = "the node forwards audio and video only"
		return s, nil
	}
	return s, s.parseRTP(m.MediaName.Formats, a)
}

func (s *section) checkMID() *Error {
	switch {
	case s.mid == "":
		return s.fault("mid", "missing")
	case len(s.mid) > maxMID:
		return s.fault("mid", fmt.Sprintf("longer than %d bytes", maxMID))
	case !token(s.mid):
		return s.fault("mid", "contains a character that is not allowed")
	}
	return nil
}

// token tells whether s is a token of RFC 8866.
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`{|}~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// profiles are the transports that JSEP §5.1.2 asks to understand; all of them mean DTLS-SRTP here.
var profiles = map[string]bool{
	"UDP/TLS/RTP/SAVPF": true, "UDP/TLS/RTP/SAVP": true, "TCP/DTLS/RTP/SAVPF": true, "TCP/DTLS/RTP/SAVP": true,
	"RTP/SAVPF": true, "RTP/SAVP": true,
}

func (s *section) parseRTP(formats []string, a attributes) *Error {
	if s.stopped {
		return nil // nothing in it matters any more, and recycled sections carry leftovers
	}
	if e := s.parseCodecs(formats, a); e != nil {
		return e
	}
	if e := s.parseExtensions(a.all("extmap")); e != nil {
		return e
	}
	s.rsize = a.has("rtcp-rsize")
	if s.dir != recvonly {
		// A paused (inactive) section too: Chromium forgets the layers that an answer does not repeat.
		if e := s.parseSimulcast(a); e != nil {
			return e
		}
	}
	if s.dir.sends() {
		if e := s.parseSSRCs(a); e != nil {
			return e
		}
	}
	switch {
	case !profiles[s.proto]:
		s.refused = "the transport " + s.proto + " is not DTLS-SRTP"
	case !a.has("rtcp-mux") && !a.has("rtcp-mux-only"):
		s.refused = "rtcp-mux is missing: RTP and RTCP share one transport"
	case !s.hasMedia():
		s.refused = "no codec that the node forwards"
	}
	return nil
}

// hasMedia tells whether there is a codec that is not only a wrapping of another.
func (s *section) hasMedia() bool {
	for _, c := range s.codecs {
		if c.Name != "RED" {
			return true
		}
	}
	return false
}

// parseData reads a data channel section (RFC 8841).
func (s *section) parseData(formats []string, a attributes) {
	s.data = true
	port := a.first("sctp-port")
	switch {
	case s.proto != "UDP/DTLS/SCTP" && s.proto != "TCP/DTLS/SCTP", formats[0] != "webrtc-datachannel":
		s.refused = "not a data channel section (UDP/DTLS/SCTP webrtc-datachannel)"
	case port != "" && port != strconv.Itoa(SCTPPort):
		s.refused = fmt.Sprintf("the node takes SCTP port %d only", SCTPPort)
	}
	s.maxMessage = 65536 // where it is not stated, RFC 8841 §6.1
	if v, err := strconv.ParseUint(a.first("max-message-size"), 10, 64); err == nil {
		s.maxMessage = v
	}
}
