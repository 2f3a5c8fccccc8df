package negotiate

import (
	"fmt"
	"strings"

	"github.com/pion/sdp/v3"
)

// ParseOffer parses and validates an offer. The error is always an *Error.
func ParseOffer(text string) (*Offer, error) {
	if len(text) > MaxOfferSize {
		return nil, &Error{Text: fmt.Sprintf("larger than %d bytes", MaxOfferSize)}
	}
	if e := checkLines(text); e != nil {
		return nil, e
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, &Error{Text: strings.TrimPrefix(err.Error(), "sdp: ")}
	}
	switch n := len(d.MediaDescriptions); {
	case n == 0:
		return nil, &Error{Field: "m", Text: "the offer has no section"}
	case n > MaxSections:
		return nil, &Error{Field: "m", Text: fmt.Sprintf("%d sections, at most %d are taken", n, MaxSections)}
	}
	o := new(Offer)
	if e := o.fill(&d); e != nil {
		return nil, e
	}
	return o, nil
}

// checkLines finds what is no SDP at all, and can tell the line.
func checkLines(text string) *Error {
	for n, line := 1, ""; text != ""; n++ {
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' {
			return &Error{Line: n, Text: "not of the form <letter>=<value>"}
		}
		for i := range len(line) {
			if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
				return &Error{Line: n, Field: line[:1], Text: "contains a control character"}
			}
		}
	}
	return nil
}

// session is what the sections inherit.
type session struct {
	transport  transport
	dir        direction
	allowMixed bool
	bundles    []string // values of a=group:BUNDLE
}

func (o *Offer) fill(d *sdp.SessionDescription) *Error {
	s, e := o.parseSession(d)
	if e != nil {
		return e
	}
	mids := map[string]*section{}
	for i, m := range d.MediaDescriptions {
		sec, e := parseSection(i, m, s)
		if e != nil {
			return e
		}
		if v, ok := m.Attribute("ice-options"); ok {
			o.addICEOptions(v)
		}
		if mids[sec.mid] != nil {
			return sec.fault("mid", "used by two sections")
		}
		mids[sec.mid] = sec
		o.sections = append(o.sections, sec)
	}
	if e := o.setBundle(s.bundles, mids); e != nil {
		return e
	}
	if e := o.setTransport(mids); e != nil {
		return e
	}
	return o.checkAcross()
}

func (o *Offer) parseSession(d *sdp.SessionDescription) (session, *Error) {
	s := session{dir: sendrecv}
	for _, a := range d.Attributes {
		s.transport.add(a)
		switch a.Key {
		case "group":
			if v, ok := strings.CutPrefix(a.Value, "BUNDLE"); ok {
				s.bundles = append(s.bundles, v)
			}
		case "extmap-allow-mixed":
			s.allowMixed = true
		case "ice-lite":
			return s, &Error{Field: "ice-lite", Text: "the node is ICE-lite too, so that nobody would send checks"}
		case "ice-options":
			o.addICEOptions(a.Value)
		default:
			if dir, ok := directions[a.Key]; ok {
				s.dir = dir
			}
		}
	}
	o.allowMixed = s.allowMixed
	return s, nil
}

// addICEOptions keeps the options that the node shares. Older libdatachannel separates them by commas.
func (o *Offer) addICEOptions(v string) {
	for f := range strings.FieldsSeq(strings.ReplaceAll(v, ",", " ")) {
		if (f == "trickle" || f == "ice2") && !strings.Contains(o.iceOptions, f) {
			o.iceOptions = strings.TrimSpace(o.iceOptions + " " + f)
		}
	}
}

// setBundle refuses every section outside the first BUNDLE group. Without a group only the first section that is
// not stopped can be taken, since there is one transport.
func (o *Offer) setBundle(groups []string, mids map[string]*section) *Error {
	in := map[string]bool{}
	if len(groups) > 0 {
		for mid := range strings.FieldsSeq(groups[0]) {
			if mids[mid] == nil {
				return &Error{Field: "group", Text: fmt.Sprintf("BUNDLE names the mid %q, which no section has", mid)}
			}
			if in[mid] {
				return &Error{Field: "group", Text: fmt.Sprintf("BUNDLE names the mid %q twice", mid)}
			}
			in[mid] = true
			o.bundle = append(o.bundle, mid)
		}
	} else {
		for _, s := range o.sections {
			if s.taken() {
				in[s.mid] = true
				break
			}
		}
	}
	for _, s := range o.sections {
		if s.bundleOnly && !in[s.mid] {
			s.stopped = true
		}
		if s.taken() && !in[s.mid] {
			s.refused = "not in the BUNDLE group: the node has one transport for everything"
		}
	}
	return nil
}

// setTransport picks the section whose transport the bundle uses: the first of the group that is taken (RFC 9143 §7.3.1),
// passing over bundle-only ones that state none.
func (o *Offer) setTransport(mids map[string]*section) *Error {
	order := o.sections
	if o.bundle != nil {
		order = nil
		for _, mid := range o.bundle {
			order = append(order, mids[mid])
		}
	}
	var first *section
	for _, s := range order {
		if !s.taken() {
			continue
		}
		if first == nil {
			first = s
		}
		if s.transport.complete() {
			first = s
			break
		}
	}
	if first == nil {
		return o.nothingTaken()
	}
	o.tagged = first
	o.transport = first.transport
	if e := o.transport.check(); e != nil {
		e.Section = first.name()
		return e
	}
	return nil
}

// nothingTaken is fine for a client that has stopped everything, and an error for one that wanted something.
func (o *Offer) nothingTaken() *Error {
	for _, s := range o.sections {
		if s.refused != "" {
			e := s.fault("m", "no section of the offer can be taken; this one: "+s.refused)
			e.Unsupported = true
			return e
		}
	}
	return nil
}

// checkAcross enforces what RFC 9143 §9.1 and §10 ask of bundled sections: a payload type means one codec, an extension id one
// extension, an SSRC one section. The node could not tell packets apart otherwise.
func (o *Offer) checkAcross() *Error {
	pts, exts, ssrcs := map[uint8]string{}, map[uint8]string{}, map[uint32]bool{}
	for _, s := range o.sections {
		if !s.taken() || s.kind == 0 {
			continue
		}
		for _, c := range s.codecs {
			if e := s.once(pts, c.PT, strings.ToUpper(c.rtpmap), "rtpmap"); e != nil {
				return e
			}
			if c.RTX == 0 {
				continue
			}
			if e := s.once(pts, c.RTX, fmt.Sprint("RTX of ", c.PT), "rtpmap"); e != nil {
				return e
			}
		}
		for _, x := range s.extmaps {
			if e := s.once(exts, x.id, x.uri, "extmap"); e != nil {
				return e
			}
		}
		for _, ssrc := range s.allSSRCs() {
			if ssrcs[ssrc] {
				return s.fault("ssrc", fmt.Sprintf("%d is declared by two sections", ssrc))
			}
			ssrcs[ssrc] = true
		}
	}
	return nil
}

// once notes what id means and fails if it has meant something else before.
func (s *section) once(seen map[uint8]string, id uint8, means, field string) *Error {
	if was, ok := seen[id]; ok && was != means {
		return s.fault(field, fmt.Sprintf("%d stands for %s and, in the same BUNDLE group, for %s", id, means, was))
	}
	seen[id] = means
	return nil
}
