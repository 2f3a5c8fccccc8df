// Package negotiate turns the SDP offer of a client into the node's answer (RFC 8829, RFC 8866). Its
// functions are pure: text and parameters in, text and []packet.Section out. It opens no socket, starts no
// goroutine and reads no clock.
//
// The client always offers and the node only answers. A client sends on its sendonly sections and receives on
// its recvonly sections. The node knows no section for both directions. A sendrecv section is taken as one
// that the client sends on, and is answered with recvonly. That is what a default AddTrack or addTransceiver
// means for a client that publishes. A client that wants to receive offers recvonly. For a client that only
// plays (ParsePlayer) sendrecv is taken as recvonly.
//
// Everything runs over one transport, so only the sections of the first BUNDLE group (RFC 9143) are taken. A
// section may be impossible to take: not bundled, no rtcp-mux, no codec that the node forwards. It gets port
// 0 and spoils nothing else. If the others depend on its transport, it stays without media instead. A fault
// that makes the whole offer unusable (no ICE credentials, no fingerprint, contradictory ids) is an *Error.
//
//	negotiate.go   the package's nouns: Offer and what it tells, Error, limits
//	lines.go       SDP text taken apart into lines and attributes
//	parse.go       ParseOffer, ParsePlayer: the session level, BUNDLE, checks across sections
//	section.go     one m= section of an offer
//	codec.go       rtpmap, fmtp, rtcp-fb: which codecs are taken, with which RTX and feedback
//	prefer.go      which payload types come first in the answer to a client that sends
//	extension.go   RTP header extensions (RFC 8285)
//	simulcast.go   a=rid and a=simulcast (RFC 8851, RFC 8853)
//	ssrc.go        a=ssrc and a=ssrc-group (RFC 5576)
//	transport.go   ICE credentials, fingerprints, DTLS role
//	candidate.go   the node's host candidates
//	answer.go      Offer.Answer
//	fragment.go    trickle-ice-sdpfrag (RFC 8840), as WHIP and WHEP send it
package negotiate

import (
	"fmt"
	"strings"

	"parlor/packet"
)

// These bound what is accepted from the network. Raising them lets larger clients in, and costs memory and
// time for each offer that anybody sends.
const (
	// MaxOfferSize is in bytes. Chromium spends 3.8 KB on a seat, of which web/client/sdp.js leaves 2 KB: 128
	// seats.
	MaxOfferSize    = 320 << 10
	MaxSections     = 264      // m= lines: 128 seats with picture and sound, four sources, a data channel
	MaxFragmentSize = 16 << 10 // bytes

	maxMID     = 32   // bytes of a media identification tag
	maxRIDs    = 8    // per section; browsers send at most 3
	maxSSRCs   = 32   // per section
	maxStream  = 64   // bytes of a media stream id, RFC 8830
	maxFmtp    = 4096 // bytes of the format parameters of one payload type
	maxAltRIDs = 4    // alternatives of one simulcast stream
)

// SCTPPort is the port of the node's SCTP association (RFC 8841), and the only one that the node accepts.
const SCTPPort = 5000

// MaxMessageSize is the size in bytes of the largest data channel message that the node says it takes.
const MaxMessageSize = 65536

// Error says what is wrong with an offer or a fragment, and where. It is always the sender's fault.
type Error struct {
	Line    int    // 1-based line of the text; 0: not known
	Section string // the m= section, such as "section 2 (video, mid 1)"; empty: the session level
	Field   string // the line or attribute, such as "ice-ufrag"
	Text    string // what is wrong with it
	// Unsupported says that the offer is well formed, but that the node takes nothing of what it asks for.
	Unsupported bool
}

// Error returns one line for people.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("sdp")
	if e.Line > 0 {
		fmt.Fprintf(&b, ": line %d", e.Line)
	}
	if e.Section != "" {
		b.WriteString(": " + e.Section)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	b.WriteString(": " + e.Text)
	return b.String()
}

// Fingerprint is the hash of a DTLS certificate (RFC 8122).
type Fingerprint struct {
	Algo  string // lower case: sha-256, sha-384, sha-512
	Value string // upper case hexadecimal bytes with colons
}

// Setup is the offered DTLS role (RFC 8842).
type Setup string

// The roles that an offer may state.
const (
	ActPass Setup = "actpass"
	Active  Setup = "active"
	Passive Setup = "passive"
)

// OfferedSection is what the caller has to know of an audio or video section before it answers.
type OfferedSection struct {
	MID     string
	Kind    packet.Kind
	Publish bool // the client sends: sendonly, and sendrecv unless it is a player
	// Receive says that the client wants to receive, also if the section is refused. If neither Publish nor
	// Receive is set, the section is inactive or stopped.
	Receive bool
	// Active is false if nothing will flow: the client has stopped or paused the section, or it is refused.
	Active bool
	// Refused says why the section will be answered with port 0 although the client wants it. Empty: it is
	// taken.
	Refused string
}

// Offer is a parsed and validated remote description. It is immutable and safe for concurrent use.
type Offer struct {
	sections   []*section // in order of the m= lines
	tagged     *section   // whose transport is the bundle's; nil: no section is taken
	bundle     []string   // mids of the BUNDLE group in its order; nil: none offered
	allowMixed bool       // extmap-allow-mixed for the whole session
	iceOptions string     // of the offer, the ones that the node shares
	transport  transport  // of the tagged section
}

// Sections lists the audio and video sections in the order of the offer.
func (o *Offer) Sections() []OfferedSection {
	var out []OfferedSection
	for _, s := range o.sections {
		if s.kind == 0 {
			continue
		}
		out = append(out, OfferedSection{
			MID: s.mid, Kind: s.kind, Publish: s.dir.sends(), Receive: s.dir == recvonly && !s.stopped, Active: s.active(), Refused: s.refused,
		})
	}
	return out
}

// ICE returns the client's ICE credentials. They are empty if every section of the offer is stopped.
func (o *Offer) ICE() (ufrag, pwd string) { return o.transport.ufrag, o.transport.pwd }

// TransportMID returns the mid of the section whose transport the bundle uses. It is empty if every
// section is stopped.
func (o *Offer) TransportMID() string {
	if o.tagged == nil {
		return ""
	}
	return o.tagged.mid
}

// NodeFragment returns what the node's fragment of a later ICE restart has in common with the answer. It is
// empty if every section is stopped.
func (o *Offer) NodeFragment() NodeFragment {
	t := o.tagged
	if t == nil {
		return NodeFragment{}
	}
	// The strings are cloned, so that they do not keep the whole text in memory.
	return NodeFragment{
		ICEOptions: o.iceOptions, Bundle: strings.Join(o.answerBundle(), " "),
		MID: strings.Clone(t.mid), MediaLine: t.media + " 9 " + t.proto + " " + t.formats[0],
	}
}

// Fingerprints returns the certificate hashes, of which the client's certificate has to match one.
func (o *Offer) Fingerprints() []Fingerprint { return o.transport.fingerprints }

// Setup returns the offered DTLS role.
func (o *Offer) Setup() Setup { return o.transport.setup }

// NodeActive tells whether the node is the DTLS client by the offer alone. That is so only if the client
// insists on being the server.
func (o *Offer) NodeActive() bool { return o.transport.setup == Passive }

// HasData tells whether the offer has a data channel section that the node takes.
func (o *Offer) HasData() bool {
	for _, s := range o.sections {
		if s.data && s.taken() {
			return true
		}
	}
	return false
}

// MaxMessageSize returns the size in bytes of the largest data channel message that the client takes
// (RFC 8841). 0 means that it has no limit, or that there is no data channel.
func (o *Offer) MaxMessageSize() uint64 {
	for _, s := range o.sections {
		if s.data && s.taken() {
			return s.maxMessage
		}
	}
	return 0
}

// PriorSection is what later offers of a connection have to keep of a section.
type PriorSection struct {
	MID, Media string
	// Free says that the section's m= line may be used anew under another mid: the client has stopped the
	// section, or it was refused.
	Free bool
}

// AsPrior returns the sections of the offer, to be shown to the next one.
func (o *Offer) AsPrior() []PriorSection {
	list := make([]PriorSection, len(o.sections))
	for i, s := range o.sections {
		// The strings are cloned, so that they do not keep the whole text in memory.
		list[i] = PriorSection{MID: strings.Clone(s.mid), Media: strings.Clone(s.media), Free: !s.taken()}
	}
	return list
}

// Follows checks that the offer can come after one with the given sections on a connection. m= lines are
// never dropped. They are renamed or put to another use only if they are free (RFC 8829, section 5.2.2). The
// error is an *Error.
func (o *Offer) Follows(before []PriorSection) error {
	if len(o.sections) < len(before) {
		return &Error{Field: "m", Text: fmt.Sprintf("%d sections, %d before: a section is stopped, never dropped",
			len(o.sections), len(before))}
	}
	for i, was := range before {
		if s := o.sections[i]; !was.Free && (s.mid != was.MID || s.media != was.Media) {
			return s.fault("mid", fmt.Sprintf("stands where %s with the mid %s was: only a stopped section may be replaced", was.Media, was.MID))
		}
	}
	return nil
}
