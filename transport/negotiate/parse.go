package negotiate

import (
	"fmt"
	"slices"
	"strings"
)

// ParseOffer parses and validates an offer. The error is always an *Error.
func ParseOffer(text string) (*Offer, error) { return parse(text, sendrecv) }

// ParsePlayer is ParseOffer for a client that only receives (WHEP). It receives on a section for both
// directions, and on one that states no direction, which means the same.
func ParsePlayer(text string) (*Offer, error) { return parse(text, recvonly) }

// parse takes a section for both directions as one of the direction both.
func parse(text string, both direction) (*Offer, error) {
	if len(text) > MaxOfferSize {
		return nil, &Error{Text: fmt.Sprintf("larger than %d bytes", MaxOfferSize)}
	}
	d, e := describe(text)
	if e != nil {
		return nil, e
	}
	switch n := len(d.media); {
	case n == 0:
		return nil, &Error{Field: "m", Text: "the offer has no section"}
	case n > MaxSections:
		return nil, &Error{Line: d.media[MaxSections].line, Field: "m", Text: fmt.Sprintf("%d sections, at most %d are taken", n, MaxSections)}
	}
	o := new(Offer)
	if e := o.fill(d, both); e != nil {
		return nil, e
	}
	return o, nil
}

// session is what the sections inherit.
type session struct {
	transport  transport
	dir, both  direction // the direction if none is stated; what sendrecv means
	allowMixed bool
	bundle     []string // mids of the first BUNDLE group
	bundleLine int      // of the text; 0: there is no group
	zeroIsIn   bool     // port 0 in the group means bundle-only
}

func (o *Offer) fill(d *description, both direction) *Error {
	s, e := o.parseSession(d)
	if e != nil {
		return e
	}
	s.both = both
	mids := map[string]*section{}
	for i := range d.media {
		m := &d.media[i]
		sec, e := parseSection(i, m, &s)
		if e != nil {
			return e
		}
		if v, ok := m.attributes.find("ice-options"); ok {
			o.addICEOptions(v)
		}
		if mids[sec.mid] != nil {
			return sec.fault("mid", "used by two sections")
		}
		mids[sec.mid] = sec
		o.sections = append(o.sections, sec)
	}
	if e := o.setBundle(&s, mids); e != nil {
		return e
	}
	if e := o.setTransport(mids); e != nil {
		return e
	}
	return o.checkAcross()
}

func (o *Offer) parseSession(d *description) (session, *Error) {
	s := session{dir: sendrecv}
	for _, a := range d.attributes {
		s.transport.add(a)
		switch a.key {
		case "group":
			if v, ok := strings.CutPrefix(a.value, "BUNDLE"); ok && s.bundleLine == 0 {
				s.bundle, s.bundleLine = strings.Fields(v), a.line
			}
		case "extmap-allow-mixed":
			s.allowMixed = true
		case "ice-lite":
			return s, &Error{Line: a.line, Field: "ice-lite", Text: "the node is ICE-lite too, so that nobody would send checks"}
		case "ice-options":
			o.addICEOptions(a.value)
		default:
			if dir, ok := directions[a.key]; ok {
				s.dir = dir
			}
		}
	}
	o.allowMixed = s.allowMixed
	s.zeroIsIn = slices.ContainsFunc(d.media, func(m mediaDescription) bool {
		return m.port != 0 && slices.Contains(s.bundle, m.attributes.first("mid"))
	})
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

// setBundle refuses every section outside the first BUNDLE group. Without a group only the first section that
// is not stopped can be taken, since there is one transport.
func (o *Offer) setBundle(ses *session, mids map[string]*section) *Error {
	in := map[string]bool{}
	for _, mid := range ses.bundle {
		switch {
		case mids[mid] == nil:
			return &Error{Line: ses.bundleLine, Field: "group", Text: fmt.Sprintf("BUNDLE names the mid %q, which no section has", mid)}
		case in[mid]:
			return &Error{Line: ses.bundleLine, Field: "group", Text: fmt.Sprintf("BUNDLE names the mid %q twice", mid)}
		}
		in[mid] = true
		o.bundle = append(o.bundle, mid)
	}
	if ses.bundleLine == 0 {
		if i := slices.IndexFunc(o.sections, (*section).taken); i >= 0 {
			in[o.sections[i].mid] = true
		}
	}
	for _, s := range o.sections {
		if s.bundleOnly && !in[s.mid] {
			s.stopped = true
		}
		if s.taken() && !in[s.mid] {
			s.refused = "not in the first BUNDLE group: the node has one transport for everything"
		}
	}
	return nil
}

// setTransport picks the section whose transport the bundle uses.
func (o *Offer) setTransport(mids map[string]*section) *Error {
	order := o.sections
	if o.bundle != nil {
		order = nil
		for _, mid := range o.bundle {
			order = append(order, mids[mid])
		}
	}
	if !slices.ContainsFunc(order, (*section).taken) {
		return o.nothingTaken()
	}
	t, e := pickTagged(order)
	if e != nil {
		return e
	}
	o.tagged, o.transport = t, t.transport
	if e := o.transport.check(); e != nil {
		return t.fault(e.Field, e.Text)
	}
	return nil
}

// pickTagged picks the section of the group that carries the transport (RFC 9143 §7.3.1). That is the first
// one that is taken, passing over those that state no transport, and never one that was offered with port 0.
// If only such ones are taken, the client's own choice stays alive without media although it would be
// refused.
func pickTagged(order []*section) (*section, *Error) {
	var first, carrier *section // the first one that is taken; the client's choice
	for _, s := range order {
		if s.taken() && s.port != 0 && s.transport.complete() {
			return s, nil
		}
		if first == nil && s.taken() {
			first = s
		}
		if carrier == nil && s.port != 0 {
			carrier = s
		}
	}
	switch {
	case carrier == nil || carrier.taken():
		return first, nil // what is wrong with its transport is found in what follows
	case carrier.muxed && carrier.transport.complete():
		carrier.idle = true
		return carrier, nil
	}
	e := carrier.fault("m", "carries the transport of the BUNDLE group and cannot be taken: "+carrier.refused)
	e.Unsupported = true
	return nil, e
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

// checkAcross enforces what RFC 9143 §9.1 and §10 ask of bundled sections. A payload type means one codec,
// and an SSRC belongs to one section, or the node could not tell packets apart. An extension id means one
// extension, of which the first stays.
func (o *Offer) checkAcross() *Error {
	pts, exts, ssrcs := map[uint8]string{}, map[uint8]string{}, map[uint32]bool{}
	for _, s := range o.sections {
		if !s.taken() || s.idle || s.kind == 0 {
			continue
		}
		for _, c := range s.codecs {
			if e := s.noteMeaning(pts, c.PT, strings.ToUpper(c.rtpmap), "rtpmap"); e != nil {
				return e
			}
			if c.RTX == 0 {
				continue
			}
			if e := s.noteMeaning(pts, c.RTX, fmt.Sprint("RTX of ", c.PT), "rtpmap"); e != nil {
				return e
			}
		}
		s.dropExtensions(exts)
		for _, ssrc := range s.allSSRCs() {
			if ssrcs[ssrc] {
				return s.fault("ssrc", fmt.Sprintf("%d is declared by two sections", ssrc))
			}
			ssrcs[ssrc] = true
		}
	}
	return nil
}

// noteMeaning notes what id means and fails if it has meant something else before.
func (s *section) noteMeaning(seen map[uint8]string, id uint8, means, field string) *Error {
	if was, ok := seen[id]; ok && was != means {
		return s.fault(field, fmt.Sprintf("%d stands for %s and, in the same BUNDLE group, for %s", id, means, was))
	}
	seen[id] = means
	return nil
}
