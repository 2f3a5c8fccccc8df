package negotiate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
	mediaDescription // as it stands in the text

	index   int
	mid     string
	kind    packet.Kind
	rtpmap  string // of the first format, if it has one; for a refusal
	dir     direction
	stopped bool   // port 0: the client has done with it
	refused string // why the node cannot take it; empty: it can

	bundling
	data       bool // SCTP data channels
	maxMessage uint64

	codecs     []codec
	extmaps    []extmap
	allowMixed bool // extmap-allow-mixed on this section
	rsize      bool // reduced-size RTCP (RFC 5506)
	simulcast
	ssrcs     ssrcs
	transport transport
}

// bundling is how a section relates to the others of its BUNDLE group.
type bundling struct {
	bundleOnly bool // port 0 means bundled, not stopped
	muxed      bool // RTP over DTLS with RTCP beside it on one port
	muxOnly    bool // rtcp-mux-only (RFC 8858)
	idle       bool // refused, but kept without media because the bundle's transport hangs on it
}

// taken tells whether the section gets a port in the answer.
func (s *section) taken() bool { return !s.stopped && (s.refused == "" || s.idle) }

// active tells whether media can flow.
func (s *section) active() bool { return s.taken() && !s.idle && s.dir != inactive }

// name returns what errors call the section.
func (s *section) name() string {
	if s.mid == "" {
		return fmt.Sprintf("section %d (%s)", s.index+1, s.media)
	}
	return fmt.Sprintf("section %d (%s, mid %s)", s.index+1, s.media, s.mid)
}

// fault is an error of the section. Its line is that of the field if the field stands once, otherwise that of
// the m= line.
func (s *section) fault(field, text string) *Error {
	return s.faultAt(s.attributes.line(field), field, text)
}

// faultIn is an error of the attribute with the given value.
func (s *section) faultIn(field, value, text string) *Error {
	return s.faultAt(s.attributes.lineOf(field, value), field, text)
}

func (s *section) faultAt(line int, field, text string) *Error {
	if line == 0 {
		line = s.line
	}
	return &Error{Line: line, Section: s.name(), Field: field, Text: text}
}

func parseSection(index int, m *mediaDescription, ses *session) (*section, *Error) {
	a := m.attributes
	s := &section{
		mediaDescription: *m, index: index, dir: ses.dir,
		allowMixed: ses.allowMixed || a.has("extmap-allow-mixed"),
	}
	for _, at := range a {
		s.transport.add(at)
		if dir, ok := directions[at.key]; ok {
			s.dir = dir
		}
	}
	if s.dir == sendrecv {
		s.dir = ses.both
	}
	s.transport = s.transport.inherit(ses.transport)
	s.mid = a.first("mid")
	if e := s.checkMID(); e != nil {
		return nil, e
	}
	// A client that stops a section takes it out of the group too (RFC 9143 §7.5.3). So one that leaves it in
	// the group has forgotten to say bundle-only.
	s.bundleOnly = s.port == 0 && (a.has("bundle-only") || ses.zeroIsIn && slices.Contains(ses.bundle, s.mid))
	s.stopped = s.port == 0 && !s.bundleOnly
	s.muxOnly = a.has("rtcp-mux-only")
	s.muxed = profiles[s.proto] && (s.muxOnly || a.has("rtcp-mux"))
	switch s.media {
	case "audio":
		s.kind = packet.Audio
	case "video":
		s.kind = packet.Video
	case "application":
		s.parseData(m.formats, a)
		return s, nil
	default:
		s.refused = "the node forwards audio and video only"
		return s, nil
	}
	return s, s.parseRTP(m.formats, a)
}

func (s *section) checkMID() *Error {
	switch {
	case s.mid == "":
		return s.fault("mid", "missing")
	case len(s.mid) > maxMID:
		return s.fault("mid", fmt.Sprintf("longer than %d bytes", maxMID))
	case !isToken(s.mid):
		return s.fault("mid", "contains a character that is not allowed")
	}
	return nil
}

// isToken tells whether s is a token of RFC 8866.
func isToken(s string) bool {
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
	case !s.muxed:
		s.refused = "rtcp-mux is missing: RTP and RTCP share one transport"
	case !s.hasMedia():
		s.refused = "no codec that the node forwards"
	}
	return nil
}

// hasMedia tells whether there is a codec that does not merely wrap another.
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
	s.maxMessage = 65536 // if it is not stated, RFC 8841 §6.1
	if v, err := strconv.ParseUint(a.first("max-message-size"), 10, 64); err == nil {
		s.maxMessage = v
	}
}
