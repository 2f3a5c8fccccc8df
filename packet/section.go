package packet

// Kind is the media kind of a section.
type Kind uint8

// The kinds of media.
const (
	Audio Kind = iota + 1
	Video
)

// String returns the name that SDP uses.
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	}
	return "unknown"
}

// Codec is one payload type of a section, with the feedback agreed on for it.
type Codec struct {
	Name      string // upper case encoding name: OPUS, RED, PCMU, PCMA, G722, VP8, VP9, H264, H265, AV1
	ClockRate uint32 // Hz
	Channels  uint16 // audio only; 0 means 1
	Fmtp      string // format parameters as in SDP, without the payload type
	PT        uint8
	RTX       uint8 // payload type of its retransmissions (RFC 4588); 0: none

	NACK, PLI, FIR, TransportCC bool // a=rtcp-fb
}

// Extensions holds the ids (1–14, or 15–255 with two-byte headers) of the RTP header extensions of a section;
// 0: not negotiated. See RFC 8285.
type Extensions struct {
	MID, RID, RepairedRID uint8 // RFC 8852, RFC 9143
	AbsSendTime           uint8 // http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
	TransportCC           uint8 // draft-holmer-rmcat-transport-wide-cc-extensions-01
	AudioLevel            uint8 // RFC 6464
	VideoOrientation      uint8 // 3GPP TS 26.114
	PlayoutDelay          uint8 // http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
	DependencyDescriptor  uint8 // AV1 RTP specification, appendix A
}

// Section is one agreed media section (m= line) of a peer. All fields are read-only after negotiation.
type Section struct {
	MID  string
	Kind Kind
	// Publish says the direction. true: the client sends and the node receives. false: it is the receiving
	// half of a seat, for which the node sends.
	Publish bool
	// Active is false for a section that either side has turned off (inactive, or port 0).
	Active bool
	Codecs []Codec // in order of preference
	Ext    Extensions

	RIDs []string // Publish, simulcast: in the order of the offer, paused ones left out
	// SSRCs are those that the client declared for itself (a=ssrc), primary streams only. RTXOf maps a repair
	// SSRC to the primary one (a=ssrc-group:FID). Both are often empty: then MID and RID tell which stream a
	// packet is of.
	SSRCs []uint32
	RTXOf map[uint32]uint32

	SSRC, RTXSSRC uint32 // not Publish: the node's own; RTXSSRC is 0 if no codec has RTX
	Stream        string // not Publish: the media stream id in the answer, shared by the sections of one seat
}
