package negotiate

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"parlor/packet"
)

// Role is the DTLS role of the node in an answer.
type Role uint8

// These are the roles. A connection keeps the role of its first answer, so a re-offer is answered with that
// one.
const (
	RoleByOffer Role = iota // active if the client insists on passive, otherwise passive
	RolePassive             // DTLS server
	RoleActive              // DTLS client
)

// Params is what the node says of itself in an answer.
type Params struct {
	UFrag, Pwd  string // the node's ICE credentials
	Fingerprint string // "sha-256 AA:BB…"
	Role        Role
	Candidates  []Candidate // all of them; none follow later
	// SSRC names the node's own sources for a section in which it sends. It has to return the same for the
	// same mid at every re-offer. rtx is used only if the section has RTX.
	SSRC func(mid string, kind packet.Kind) (ssrc, rtx uint32)
	// Streams maps the mids of receive sections to media stream ids. Sections that it does not name are
	// paired by order, the n-th video section with the n-th audio section.
	Streams            map[string]string
	CNAME              string // RTCP canonical name of the node's sources
	SessionID, Version uint64 // of the o= line; Version rises with every answer on one connection
}

// Answer returns the answer, whose m= lines stand in the order of the offer. sections says what was agreed on
// for each audio and video section, also for those that are stopped or refused (Active false, no codecs).
func (o *Offer) Answer(p Params) (text string, sections []packet.Section, err error) {
	setup, err := o.answerSetup(p.Role)
	if err != nil {
		return "", nil, err
	}
	w := answerWriter{offer: o, params: &p, setup: setup}
	d := w.session()
	streams := o.streamNames(p.Streams)
	for _, s := range o.sections {
		sec := s.agreed(&p, streams[s.mid])
		d.MediaDescriptions = append(d.MediaDescriptions, w.media(s, &sec))
		if s.kind != 0 {
			sections = append(sections, sec)
		}
	}
	b, err := d.Marshal()
	if err != nil {
		return "", nil, fmt.Errorf("negotiate: marshal answer: %w", err)
	}
	return string(b), sections, nil
}

// answerSetup returns the value of a=setup.
func (o *Offer) answerSetup(r Role) (string, error) {
	active := r == RoleActive || r == RoleByOffer && o.NodeActive()
	conflict := o.tagged != nil && (active && o.transport.setup == Active || !active && o.transport.setup == Passive)
	switch {
	case conflict:
		return "", &Error{Section: o.tagged.name(), Field: "setup", Text: "the DTLS role cannot change on a connection"}
	case active:
		return string(Active), nil
	}
	return string(Passive), nil
}

// streamNames gives every receive section a media stream id.
func (o *Offer) streamNames(given map[string]string) map[string]string {
	names := map[string]string{}
	var n [packet.Video + 1]int
	for _, s := range o.sections {
		if s.kind == 0 || s.dir != recvonly || !s.taken() {
			continue
		}
		n[s.kind]++
		if names[s.mid] = given[s.mid]; !isToken(names[s.mid]) || len(names[s.mid]) > maxStream {
			names[s.mid] = "seat-" + strconv.Itoa(n[s.kind])
		}
	}
	return names
}

// agreed describes the section as the router needs it.
func (s *section) agreed(p *Params, stream string) packet.Section {
	out := packet.Section{MID: s.mid, Kind: s.kind, Publish: s.dir.sends(), Active: s.active()}
	if !s.taken() || s.idle || s.kind == 0 {
		return out
	}
	rtx := false
	for _, c := range s.codecs {
		out.Codecs = append(out.Codecs, c.Codec)
		rtx = rtx || c.RTX != 0
	}
	out.Ext = s.extensions()
	if out.Publish {
		for _, l := range s.layers {
			if !l.paused {
				out.RIDs = append(out.RIDs, l.rid)
			}
		}
		out.SSRCs, out.RTXOf = s.ssrcs.primary, s.ssrcs.rtxOf
		return out
	}
	out.Stream = stream
	if p.SSRC != nil && out.Active {
		out.SSRC, out.RTXSSRC = p.SSRC(s.mid, s.kind)
	}
	if !rtx {
		out.RTXSSRC = 0
	}
	return out
}

// answerWriter builds the description.
type answerWriter struct {
	offer  *Offer
	params *Params
	setup  string
}

func (w *answerWriter) session() *sdp.SessionDescription {
	d := &sdp.SessionDescription{
		Origin: sdp.Origin{
			Username: "-", SessionID: w.params.SessionID &^ (1 << 63), SessionVersion: w.params.Version &^ (1 << 63),
			NetworkType: "IN", AddressType: "IP4", UnicastAddress: "127.0.0.1",
		},
		SessionName:      "-",
		TimeDescriptions: []sdp.TimeDescription{{}},
	}
	d.WithPropertyAttribute("ice-lite")
	if w.offer.iceOptions != "" {
		d.WithValueAttribute("ice-options", w.offer.iceOptions)
	}
	if mids := w.offer.answerBundle(); len(mids) > 0 {
		d.WithValueAttribute("group", "BUNDLE "+strings.Join(mids, " "))
	}
	if w.offer.allowMixed {
		d.WithPropertyAttribute("extmap-allow-mixed")
	}
	return d.WithValueAttribute("msid-semantic", "WMS *")
}

// answerBundle lists the taken sections of the BUNDLE group, the one with the transport first.
func (o *Offer) answerBundle() []string {
	if o.bundle == nil || o.tagged == nil {
		return nil
	}
	taken := map[string]bool{}
	for _, s := range o.sections {
		taken[s.mid] = s.taken()
	}
	mids := []string{o.tagged.mid}
	for _, mid := range o.bundle {
		if taken[mid] && mid != o.tagged.mid {
			mids = append(mids, mid)
		}
	}
	return mids
}

func (w *answerWriter) media(s *section, sec *packet.Section) *sdp.MediaDescription {
	m := &sdp.MediaDescription{
		MediaName: sdp.MediaName{
			Media: s.media, Port: sdp.RangedPort{Value: 9}, Protos: strings.Split(s.proto, "/"), Formats: []string{s.formats[0]},
		},
		ConnectionInformation: &sdp.ConnectionInformation{
			NetworkType: "IN", AddressType: "IP4", Address: &sdp.Address{Address: "0.0.0.0"},
		},
		Attributes: make([]sdp.Attribute, 0, 24+8*len(s.codecs)), // about what comes
	}
	m.WithValueAttribute("mid", s.mid)
	if !s.taken() {
		m.MediaName.Port.Value = 0
		if s.rtpmap != "" { // pion refuses an answer with a payload type that it does not find
			m.WithValueAttribute("rtpmap", s.formats[0]+" "+s.rtpmap)
		}
		return m.WithPropertyAttribute("inactive")
	}
	w.transport(m, s)
	if s.idle {
		return s.writeIdle(m)
	}
	if s.data {
		m.MediaName.Formats = []string{"webrtc-datachannel"}
		m.WithValueAttribute("sctp-port", strconv.Itoa(SCTPPort))
		return m.WithValueAttribute("max-message-size", strconv.Itoa(MaxMessageSize))
	}
	w.rtp(m, s)
	w.layers(m, s)
	if sec.SSRC != 0 {
		w.sources(m, sec)
	}
	return m
}

// transport writes ICE and DTLS to every section, for clients that look there. It writes the candidates to
// the section whose transport the bundle uses.
func (w *answerWriter) transport(m *sdp.MediaDescription, s *section) {
	m.WithValueAttribute("ice-ufrag", w.params.UFrag)
	m.WithValueAttribute("ice-pwd", w.params.Pwd)
	m.WithValueAttribute("fingerprint", w.params.Fingerprint)
	m.WithValueAttribute("setup", w.setup)
	if s != w.offer.tagged {
		return
	}
	for _, c := range CandidateValues(w.params.Candidates) {
		m.WithValueAttribute("candidate", c)
	}
	m.WithPropertyAttribute("end-of-candidates")
}

func (w *answerWriter) rtp(m *sdp.MediaDescription, s *section) {
	m.WithPropertyAttribute(answerDirection(s.dir))
	s.writeMux(m)
	if s.rsize {
		m.WithPropertyAttribute("rtcp-rsize")
	}
	if s.allowMixed && !w.offer.allowMixed {
		m.WithPropertyAttribute("extmap-allow-mixed")
	}
	for _, x := range s.extmaps {
		m.WithValueAttribute("extmap", strconv.Itoa(int(x.id))+x.dir+" "+x.uri)
	}
	m.MediaName.Formats = nil
	for i := range s.codecs {
		writeCodec(m, &s.codecs[i], s.takesREMB())
	}
}

// writeMux accepts RTCP beside RTP. It repeats rtcp-mux-only if the client offers that (RFC 8858 §4.3).
func (s *section) writeMux(m *sdp.MediaDescription) {
	m.WithPropertyAttribute("rtcp-mux")
	if s.muxOnly {
		m.WithPropertyAttribute("rtcp-mux-only")
	}
}

// writeIdle answers a section that is kept for its transport: no media, and the first format as it was
// offered.
func (s *section) writeIdle(m *sdp.MediaDescription) *sdp.MediaDescription {
	m.WithPropertyAttribute("inactive")
	s.writeMux(m)
	for _, key := range []string{"rtpmap", "fmtp"} {
		for _, v := range s.attributes.all(key) {
			if strings.HasPrefix(v, s.formats[0]+" ") {
				m.WithValueAttribute(key, v)
			}
		}
	}
	return m
}

func answerDirection(d direction) string {
	switch {
	case d.sends():
		return "recvonly"
	case d == recvonly:
		return "sendonly"
	}
	return "inactive"
}

// takesREMB says whether receivers are to tell in REMB what they take. Those that give no transport-wide
// feedback do so.
func (s *section) takesREMB() bool { return s.dir == recvonly && s.extensions().TransportCC == 0 }

func writeCodec(m *sdp.MediaDescription, c *codec, remb bool) {
	pt := strconv.Itoa(int(c.PT))
	m.MediaName.Formats = append(m.MediaName.Formats, pt)
	m.WithValueAttribute("rtpmap", pt+" "+c.rtpmap)
	if c.Fmtp != "" {
		m.WithValueAttribute("fmtp", pt+" "+c.Fmtp)
	}
	for _, fb := range []struct {
		on   bool
		name string
	}{{c.TransportCC, "transport-cc"}, {c.remb && remb, "goog-remb"}, {c.FIR, "ccm fir"}, {c.NACK, "nack"}, {c.PLI, "nack pli"}} {
		if fb.on {
			m.WithValueAttribute("rtcp-fb", pt+" "+fb.name)
		}
	}
	if c.RTX != 0 {
		rtx := strconv.Itoa(int(c.RTX))
		m.MediaName.Formats = append(m.MediaName.Formats, rtx)
		m.WithValueAttribute("rtpmap", rtx+" rtx/"+strconv.Itoa(int(c.ClockRate)))
		m.WithValueAttribute("fmtp", rtx+" apt="+pt)
	}
}

// layers accepts the client's RIDs.
func (w *answerWriter) layers(m *sdp.MediaDescription, s *section) {
	var list []string
	for _, l := range s.layers {
		m.WithValueAttribute("rid", l.rid+" recv"+l.restrictions)
		if l.paused {
			l.rid = "~" + l.rid
		}
		list = append(list, l.rid)
	}
	if s.listed && len(list) > 0 {
		m.WithValueAttribute("simulcast", "recv "+strings.Join(list, ";"))
	}
}

// sources declares what the node sends on a seat's section. The msid stands once more per SSRC, for clients
// older than RFC 8830.
func (w *answerWriter) sources(m *sdp.MediaDescription, sec *packet.Section) {
	msid := sec.Stream + " " + sec.Kind.String() + "-" + sec.MID
	m.WithValueAttribute("msid", msid)
	if sec.RTXSSRC != 0 {
		m.WithValueAttribute("ssrc-group", fmt.Sprintf("FID %d %d", sec.SSRC, sec.RTXSSRC))
	}
	for _, ssrc := range []uint32{sec.SSRC, sec.RTXSSRC} {
		if ssrc == 0 {
			continue
		}
		m.WithValueAttribute("ssrc", fmt.Sprintf("%d cname:%s", ssrc, w.params.CNAME))
		m.WithValueAttribute("ssrc", fmt.Sprintf("%d msid:%s", ssrc, msid))
	}
}
