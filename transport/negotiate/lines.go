package negotiate

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// description is an SDP text taken apart (RFC 8866): its attributes and m= lines, which is all that the node
// reads.
//
// It is lenient in what encoders get wrong. It accepts another order of the lines, and o=, s= or t= that are
// missing or hold nonsense. It accepts LF, CRLF or CR as line ends, and a last line without one. It accepts
// blanks and NUL at the end, and a byte order mark at the start.
type description struct {
	attributes attributes // of the session level
	media      []mediaDescription
}

// mediaDescription is an m= line and the attributes that follow it.
type mediaDescription struct {
	line       int // of the text
	media      string
	port       uint16
	proto      string
	formats    []string // at least one
	attributes attributes
}

type attribute struct {
	key, value string
	line       int
}

// attributes are those of a section, looked at by key. There are a hundred of them with a dozen keys of
// interest, so searching costs less than an index.
type attributes []attribute

// all returns the values of a key in their order.
func (a attributes) all(key string) []string {
	n := 0
	for i := range a {
		if a[i].key == key {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	values := make([]string, 0, n)
	for i := range a {
		if a[i].key == key {
			values = append(values, a[i].value)
		}
	}
	return values
}

func (a attributes) find(key string) (value string, ok bool) {
	for i := range a {
		if a[i].key == key {
			return a[i].value, true
		}
	}
	return "", false
}

func (a attributes) has(key string) bool { _, ok := a.find(key); return ok }

func (a attributes) first(key string) string { v, _ := a.find(key); return v }

// line returns the line of the only attribute with that key. It returns 0 if there is none, or more than one.
func (a attributes) line(key string) int {
	found := 0
	for i := range a {
		if a[i].key == key && found != 0 {
			return 0
		}
		if a[i].key == key {
			found = a[i].line
		}
	}
	return found
}

// lineOf returns the line of the attribute with that value, or 0 if there is none.
func (a attributes) lineOf(key, value string) int {
	i := slices.IndexFunc(a, func(at attribute) bool { return at.key == key && at.value == value })
	if i < 0 {
		return 0
	}
	return a[i].line
}

// lines yields the lines of a text that are not empty, under their 1-based numbers and without blanks at
// their ends.
func lines(text string) iter.Seq2[int, string] {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.TrimRight(text, "\x00\x1a \t\r\n")
	end := "\n"
	if !strings.Contains(text, end) {
		end = "\r"
	}
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.SplitSeq(text, end) {
			n++
			if line = strings.TrimRight(line, "\r \t"); line != "" && !yield(n, line) {
				return
			}
		}
	}
}

// checkLine finds what is no line of SDP at all.
func checkLine(n int, line string) *Error {
	if len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' {
		return &Error{Line: n, Text: "not of the form <letter>=<value>"}
	}
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return &Error{Line: n, Field: line[:1], Text: fmt.Sprintf("contains a control character, %q", c)}
		}
	}
	return nil
}

// describe takes an offer apart.
func describe(text string) (*description, *Error) {
	d := new(description)
	begun := false
	for n, line := range lines(text) {
		if e := checkLine(n, line); e != nil {
			return nil, e
		}
		if e := checkVersion(n, line, begun); e != nil {
			return nil, e
		}
		begun = true
		if e := d.add(n, line[0], strings.TrimLeft(line[2:], " \t")); e != nil {
			return nil, e
		}
	}
	return d, nil
}

// checkVersion wants v=0 as the first line and nowhere else: a fragment is no offer, and two offers in a row
// are not one.
func checkVersion(n int, line string, begun bool) *Error {
	switch isVersion := line[0] == 'v'; {
	case !begun && !isVersion:
		return &Error{Line: n, Field: "v", Text: "a description begins with v=0"}
	case begun && isVersion:
		return &Error{Line: n, Field: "v", Text: "stands a second time: the body is to hold one description"}
	case isVersion && strings.TrimSpace(line[2:]) != "0":
		return &Error{Line: n, Field: "v", Text: "must be 0"}
	}
	return nil
}

// add takes one line. Lines of other letters tell nothing that the node uses.
func (d *description) add(n int, letter byte, value string) *Error {
	switch letter {
	case 'm':
		m, e := parseMediaLine(n, value)
		d.media = append(d.media, m)
		return e
	case 'a':
		key, rest, _ := strings.Cut(value, ":")
		to := &d.attributes
		if len(d.media) > 0 {
			to = &d.media[len(d.media)-1].attributes
		}
		*to = append(*to, attribute{key: strings.TrimRight(key, " \t"), value: strings.TrimLeft(rest, " \t"), line: n})
	}
	return nil
}

// parseMediaLine reads "audio 9 UDP/TLS/RTP/SAVPF 111 63".
func parseMediaLine(n int, value string) (mediaDescription, *Error) {
	m := mediaDescription{line: n}
	f := strings.Fields(value)
	if len(f) < 4 {
		return m, &Error{Line: n, Field: "m", Text: "must be <media> <port> <proto> <format> …"}
	}
	port, _, _ := strings.Cut(f[1], "/") // the number of ports is of no use to a bundle
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return m, &Error{Line: n, Field: "m", Text: fmt.Sprintf("the port %.20q is no number from 0 to 65535", f[1])}
	}
	m.media, m.port, m.proto, m.formats = f[0], uint16(p), f[2], f[3:]
	return m, nil
}
