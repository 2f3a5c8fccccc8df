package negotiate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parlor/packet"
)

// codec is a payload type that the node takes, with what the answer repeats of it.
type codec struct {
	packet.Codec
	rtpmap string // as offered, without the payload type
	remb   bool   // goog-remb was asked for
}

// supported maps the encodings that the node forwards to their clock rates in Hz. RED is the audio form
// (RFC 2198). The rate of G.722 is 8000 though it samples twice as often (RFC 3551 section 4.5.2).
var supported = map[packet.Kind]map[string]uint32{
	packet.Audio: {"OPUS": 48000, "RED": 48000, "PCMU": 8000, "PCMA": 8000, "G722": 8000},
	packet.Video: {"VP8": 90000, "VP9": 90000, "H264": 90000, "H265": 90000, "AV1": 90000},
}

// static maps the payload types that need no rtpmap to what it would be (RFC 3551 table 4). It holds those
// that the node forwards.
var static = map[uint8]string{0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000"}

// muxable tells whether a payload type can stand beside RTCP on one port (RFC 5761 §4).
func muxable(pt uint8) bool { return pt < 64 || pt > 95 }

// format collects what the attributes say of one payload type.
type format struct {
	rtpmap, fmtp string
	feedback     feedback
}

// feedback is what rtcp-fb lines ask for and the node can do (RFC 4585, RFC 5104,
// draft-alvestrand-rmcat-remb-03). The rest is passed over.
type feedback struct{ nack, pli, fir, transportCC, remb bool }

func (f *feedback) add(value string) {
	switch strings.Join(strings.Fields(value), " ") {
	case "nack":
		f.nack = true
	case "nack pli":
		f.pli = true
	case "ccm fir":
		f.fir = true
	case "transport-cc":
		f.transportCC = true
	case "goog-remb":
		f.remb = true
	}
}

// parseCodecs takes every codec that the node forwards, in the order of the m= line. It gives each the first
// RTX that names it by apt.
func (s *section) parseCodecs(formats []string, a attributes) *Error {
	table, e := s.formatTable(a)
	if e != nil {
		return e
	}
	rtx, seen := map[uint8]uint8{}, map[uint8]bool{}
	for _, f := range formats {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			if profiles[s.proto] {
				return s.fault("m", fmt.Sprintf("%.20q is no payload type", f))
			}
			return nil // another profile, which is refused
		}
		if seen[uint8(pt)] {
			return s.fault("m", fmt.Sprintf("payload type %d is listed twice", pt))
		}
		seen[uint8(pt)] = true
		if m := table[uint8(pt)]; m != nil && f == s.formats[0] {
			s.rtpmap = m.rtpmap
		}
		s.addCodec(uint8(pt), table, rtx)
	}
	s.dropEmptyRED()
	s.askForSound()
	if s.dir.sends() {
		s.prefer()
	}
	for i := range s.codecs {
		if pt := rtx[s.codecs[i].PT]; seen[pt] {
			s.codecs[i].RTX = pt
		}
	}
	return nil
}

func (s *section) addCodec(pt uint8, table map[uint8]*format, rtx map[uint8]uint8) {
	f := table[pt]
	if f == nil {
		f = new(format)
	}
	if f.rtpmap == "" && s.kind == packet.Audio {
		f.rtpmap = static[pt]
	}
	if f.rtpmap == "" || !muxable(pt) {
		return
	}
	name, clock, channels := splitRTPMap(f.rtpmap)
	if name == "RTX" {
		if apt, ok := rtxFor(f.fmtp); ok && rtx[apt] == 0 {
			rtx[apt] = pt
		}
		return
	}
	if want := supported[s.kind][name]; want == 0 || want != clock {
		return
	}
	c := codec{rtpmap: f.rtpmap, Codec: packet.Codec{
		Name: name, ClockRate: clock, Channels: channels, PT: pt, Fmtp: answerFmtp(s.kind, f.fmtp),
	}}
	if name == "OPUS" && !s.dir.sends() {
		c.Fmtp = toldStereo(c.Fmtp)
	}
	c.addFeedback(f.feedback)
	if all := table[wildcard]; all != nil {
		c.addFeedback(all.feedback)
	}
	s.codecs = append(s.codecs, c)
}

// wildcard is the key of "a=rtcp-fb:*" in the table; payload types have 7 bits.
const wildcard = 255

// formatTable indexes rtpmap, fmtp and rtcp-fb by payload type.
func (s *section) formatTable(a attributes) (map[uint8]*format, *Error) {
	table := map[uint8]*format{}
	for _, key := range []string{"rtpmap", "fmtp", "rtcp-fb"} {
		for _, v := range a.all(key) {
			num, rest, _ := strings.Cut(v, " ")
			pt, err := strconv.ParseUint(num, 10, 7)
			if key == "rtcp-fb" && num == "*" {
				pt, err = wildcard, nil
			}
			if err != nil {
				return nil, s.fault(key, fmt.Sprintf("%.20q is no payload type", num))
			}
			f := table[uint8(pt)]
			if f == nil {
				f = new(format)
				table[uint8(pt)] = f
			}
			if e := s.noteFormat(f, key, strings.TrimSpace(rest)); e != nil {
				return nil, e
			}
		}
	}
	return table, nil
}

func (s *section) noteFormat(f *format, key, v string) *Error {
	switch key {
	case "rtpmap":
		if f.rtpmap != "" && !strings.EqualFold(f.rtpmap, v) {
			return s.fault(key, fmt.Sprintf("one payload type is mapped to %.40q and %.40q", f.rtpmap, v))
		}
		f.rtpmap = v
	case "fmtp":
		if len(v) > maxFmtp {
			return s.fault(key, fmt.Sprintf("longer than %d bytes", maxFmtp))
		}
		if f.fmtp == "" {
			f.fmtp = v
		}
	default:
		f.feedback.add(v)
	}
	return nil
}

// splitRTPMap reads "opus/48000/2".
func splitRTPMap(v string) (name string, clock uint32, channels uint16) {
	parts := strings.Split(v, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return "", 0, 0
	}
	c, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return "", 0, 0
	}
	if len(parts) == 3 {
		n, err := strconv.ParseUint(parts[2], 10, 16)
		if err != nil {
			return "", 0, 0
		}
		channels = uint16(n)
	}
	return strings.ToUpper(parts[0]), uint32(c), channels
}

// fmtpParams iterates over the parameters of a fmtp value.
func fmtpParams(v string, yield func(key, value, whole string)) {
	for p := range strings.SplitSeq(v, ";") {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		key, value, _ := strings.Cut(p, "=")
		yield(strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value), p)
	}
}

// rtxFor returns the payload type that an RTX format repeats (RFC 4588).
func rtxFor(fmtp string) (apt uint8, ok bool) {
	fmtpParams(fmtp, func(key, value, _ string) {
		if n, err := strconv.ParseUint(value, 10, 7); key == "apt" && err == nil {
			apt, ok = uint8(n), true
		}
	})
	return apt, ok
}

// answerFmtp repeats the offered parameters, except what a sender of H.264 and H.265 says of its own stream
// (sprop-…). The node has none of its own to announce, and the parameter sets travel in the stream.
func answerFmtp(kind packet.Kind, v string) string {
	if kind != packet.Video || !strings.Contains(v, "sprop-") {
		return v
	}
	var kept []string
	fmtpParams(v, func(key, _, whole string) {
		if !strings.HasPrefix(key, "sprop-") {
			kept = append(kept, whole)
		}
	})
	return strings.Join(kept, ";")
}

// toldStereo tells a receiver that asks for stereo that it may come (RFC 7587 section 6.1). Some mix it down
// otherwise.
func toldStereo(opus string) string {
	wants, told := false, false
	fmtpParams(opus, func(key, value, _ string) {
		wants = wants || key == "stereo" && value == "1"
		told = told || key == "sprop-stereo"
	})
	if !wants || told {
		return opus
	}
	return opus + ";sprop-stereo=1"
}

// addFeedback takes over what was asked for. transport-cc counts only with its header extension, see
// matchTransportCC.
func (c *codec) addFeedback(f feedback) {
	c.NACK = c.NACK || f.nack
	c.PLI = c.PLI || f.pli
	c.FIR = c.FIR || f.fir
	c.TransportCC = c.TransportCC || f.transportCC
	c.remb = c.remb || f.remb
}

// dropEmptyRED leaves out RED if a block of it has a payload type that is not taken, or is not of Opus.
func (s *section) dropEmptyRED() {
	primary := map[string]bool{}
	for _, c := range s.codecs {
		if c.Name == "OPUS" {
			primary[strconv.Itoa(int(c.PT))] = true
		}
	}
	kept := s.codecs[:0]
	for _, c := range s.codecs {
		if c.Name == "RED" && !redOf(c.Fmtp, primary) {
			continue
		}
		kept = append(kept, c)
	}
	s.codecs = kept
}

// askForSound has lost packets of sound asked for, in both directions, if the client is libwebrtc. libwebrtc
// asks if the answer says so, though it never offers that (WebRtcVoiceReceiveChannel::SetReceiveNackEnabled).
// It is recognised by RED around Opus, which it alone offers.
func (s *section) askForSound() {
	if slices.ContainsFunc(s.codecs, func(c codec) bool { return c.Name == "RED" }) {
		for i := range s.codecs {
			c := &s.codecs[i]
			c.NACK = c.NACK || c.Name == "RED" || c.Name == "OPUS"
		}
	}
}

// redOf tells whether every block of "111/111" is one of the payload types taken. Without parameters it is
// not known what the blocks hold.
func redOf(fmtp string, primary map[string]bool) bool {
	for pt := range strings.SplitSeq(fmtp, "/") {
		if !primary[strings.TrimSpace(pt)] {
			return false
		}
	}
	return true
}
