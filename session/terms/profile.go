package terms

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of what a user is called, and of what the application says of it.
const (
	MaxName      = 64   // characters (code points) of a display name
	MaxNameBytes = 256  // bytes of it, in UTF-8
	MaxMetadata  = 2048 // bytes
	// maxGivenName is the length in bytes of the longest name that is looked at. A name may be shorter once
	// it is normalised: three times, if it is of Hangul that was taken apart.
	maxGivenName = 4 * MaxNameBytes
	// maxMarks is how many nonspacing marks may follow each other (UTS #39, section 5.4). Lower refuses names
	// of Tibetan, and of Hebrew with all its points. Higher lets marks pile up over other lines.
	maxMarks = 4
)

// Profile is what a user is called and what the application says of it. A name is in NFC; the zero Profile is
// that of a user without either.
type Profile struct {
	Name     string // for people; not unique, and no id
	Metadata string // of the application, without a meaning to the node
}

// ProfileChange is a change of a Profile. What is nil stays as it is.
type ProfileChange struct {
	Name, Metadata *string
}

// Check returns the change with its name as it is kept, see ParseName. Errors: bad_request.
func (c ProfileChange) Check() (ProfileChange, error) {
	if c.Name != nil {
		name, err := ParseName(*c.Name)
		if err != nil {
			return c, err
		}
		c.Name = &name
	}
	if c.Metadata != nil {
		return c, CheckMetadata(*c.Metadata)
	}
	return c, nil
}

// With returns the profile after a change.
func (p Profile) With(c ProfileChange) Profile {
	if c.Name != nil {
		p.Name = *c.Name
	}
	if c.Metadata != nil {
		p.Metadata = *c.Metadata
	}
	return p
}

// CheckMetadata returns a bad_request for what is no metadata.
func CheckMetadata(s string) error {
	switch {
	case len(s) > MaxMetadata:
		return Errorf(CodeBadRequest, "metadata", "metadata has at most %d bytes, this one has %d", MaxMetadata, len(s))
	case !utf8.ValidString(s):
		return Errorf(CodeBadRequest, "metadata", "the metadata is no valid UTF-8; other bytes go as base64")
	}
	return nil
}

// ParseName returns a display name as it is kept: in NFC, without space around it. The empty name is none.
// Errors are bad_request: a name that is too long, or with a character that is not seen, or that changes how
// other text is shown.
func ParseName(s string) (string, error) {
	switch {
	case len(s) > maxGivenName:
		return "", badName("a name has at most %d characters and %d bytes, this one has %d bytes", MaxName, MaxNameBytes, len(s))
	case !utf8.ValidString(s):
		return "", badName("the name is no valid UTF-8")
	}
	s = strings.TrimFunc(norm.NFC.String(s), unicode.IsSpace)
	if n := utf8.RuneCountInString(s); n > MaxName || len(s) > MaxNameBytes {
		return "", badName("a name has at most %d characters and %d bytes, this one has %d and %d", MaxName, MaxNameBytes, n, len(s))
	}
	if s == "" {
		return "", nil
	}
	return s, checkName([]rune(s))
}

func badName(format string, args ...any) *Error {
	return Errorf(CodeBadRequest, "name", format, args...)
}

// checkName looks at each character, and whether one of them is seen.
func checkName(name []rune) error {
	seen, marks := false, 0
	for i, r := range name {
		if why := refused(name, i); why != "" {
			return badName("the name cannot hold %U (character %d): %s", r, i+1, why)
		}
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
			marks++
		case !isJoiner(r): // a joiner parts no pile of marks
			marks = 0
		}
		if marks > maxMarks {
			return badName("too many marks are piled up at character %d of the name: at most %d follow each other", i+1, maxMarks)
		}
		seen = seen || isSeen(r)
	}
	if !seen {
		return badName("nothing of the name can be seen")
	}
	return nil
}

// refused says why a character cannot be in a name at that place; "": it can.
func refused(name []rune, i int) string {
	r := name[i]
	switch {
	case isJoiner(r):
		if joins(name, i) {
			return ""
		}
		return "a joiner stands between letters or pictures only"
	case unicode.Is(unicode.Cc, r), unicode.In(r, unicode.Zl, unicode.Zp):
		return "it is a control character or a line break"
	case unicode.Is(unicode.Bidi_Control, r):
		return "it changes the direction of writing; the letters themselves tell that"
	case unicode.Is(unicode.Co, r):
		return "it is for private use, and looks different everywhere"
	case r == unicode.ReplacementChar || r == '\ufffc':
		return "it stands for something that was lost on the way"
	case unicode.Is(unicode.Prepended_Concatenation_Mark, r), isFlagTag(name, i):
		return ""
	case unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point):
		return "it is invisible"
	case !isAssigned(r):
		return "it is no character of Unicode " + unicode.Version
	case i == 0 && unicode.Is(unicode.M, r):
		return "a name cannot begin with a mark that joins what is before it"
	}
	return ""
}

// isAssigned reports whether there is such a character, or may be one that is younger than this program. The
// planes of ideographs have rare names, and new pictures come every year.
func isAssigned(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs) ||
		r >= 0x20000 && r < 0x3fffe && r&0xffff < 0xfffe || r >= 0x1f000 && r <= 0x1faff
}

// isSeen reports whether a character shows something by itself.
func isSeen(r rune) bool {
	const blankPattern, nullNotehead = '\u2800', '\U0001d159'
	return r != blankPattern && r != nullNotehead && !unicode.In(r, unicode.M, unicode.Z, unicode.Cf)
}

// The zero width non-joiner and joiner, of which words of Persian and scripts of India are made, and pictures
// of several people.
const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

func isJoiner(r rune) bool { return r == nonJoiner || r == joiner }

// joins reports whether the joiner at that place has something to join. After a virama it may be the last:
// old texts of Malayalam write chillus so.
func joins(name []rune, i int) bool {
	if i == 0 {
		return false
	}
	if isVirama(name[i-1]) {
		return true
	}
	return i+1 < len(name) && unicode.In(name[i-1], unicode.L, unicode.M, unicode.S) &&
		(unicode.In(name[i+1], unicode.L, unicode.S) || isVirama(name[i+1]))
}

func isVirama(r rune) bool {
	const virama = 9
	return norm.NFC.PropertiesString(string(r)).CCC() == virama
}

// isFlagTag reports whether a character is one of those that say which part of a country a flag is of, such
// as Scotland (UTS #51).
func isFlagTag(name []rune, i int) bool {
	const flag, first, last, most = '\U0001f3f4', 0xe0020, 0xe007f, 7
	for n := 0; n < most && i >= n; n++ {
		switch r := name[i-n]; {
		case r == flag:
			return n > 0
		case r < first || r > last:
			return false
		}
	}
	return false
}
