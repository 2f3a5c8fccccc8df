package terms

import (
	"strings"
	"unicode/utf8"
)

// MaxUserID is the length of the longest user id in bytes.
const MaxUserID = 64

// CheckUser returns a bad_request unless id is 1–64 bytes of letters, digits and _ . @ -
func CheckUser(id string) error {
	if id == "" || len(id) > MaxUserID {
		return Errorf(CodeBadRequest, "user", "a user id has 1 to %d bytes, this one has %d", MaxUserID, len(id))
	}
	if sign, n := foreignSign(id, "_.@-"); n != 0 {
		return Errorf(CodeBadRequest, "user", "a user id cannot hold %q (character %d): it is made of a–z, A–Z, 0–9 and _ . @ -", sign, n)
	}
	return nil
}

// foreignSign returns the first character of a name that is no letter of ASCII, no digit and none of signs.
// The number is its 1-based place among the characters; 0: there is none. A byte that is not UTF-8 counts as
// a character.
func foreignSign(name, signs string) (string, int) {
	place := 0
	for i := 0; i < len(name); {
		place++
		_, size := utf8.DecodeRuneInString(name[i:])
		if c := name[i]; size > 1 || !isAlnum(c) && strings.IndexByte(signs, c) < 0 {
			return name[i : i+size], place
		}
		i += size
	}
	return "", 0
}

// Role says what a user does in a room.
type Role string

// The roles. In a call room everybody is an anchor.
const (
	Anchor   Role = "anchor"   // publishes and receives
	Audience Role = "audience" // receives only; live rooms
)

// Scene says who is announced to whom in a room.
type Scene string

// The scenes.
const (
	Call Scene = "call" // everybody sees everybody
	Live Scene = "live" // anchors are seen by all, the audience by nobody
)

// Source is one of the streams that a user may publish.
type Source uint8

// The sources. The zero Source is none.
const (
	NoSource Source = iota
	Camera          // video, simulcast allowed
	Screen          // a second video
	Mic
	ScreenAudio
)

var sourceNames = [...]string{"", "camera", "screen", "mic", "screen-audio"}

// ParseSource returns the source of that name; "" is NoSource.
func ParseSource(name string) (Source, error) {
	for i, n := range sourceNames {
		if n == name {
			return Source(i), nil
		}
	}
	return NoSource, Errorf(CodeBadRequest, "source", "a source is camera, screen, mic or screen-audio, not %.32q", name)
}

// String returns the source's name in the protocol; none is "".
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "?"
}

// IsVideo reports whether the source is one of pictures.
func (s Source) IsVideo() bool { return s == Camera || s == Screen }

// MarshalText writes the source's name.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the source's name.
func (s *Source) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSource(string(b))
	return err
}

// Quality is the simulcast layer that a receiver asks for.
type Quality uint8

// The qualities. The zero Quality is High.
const (
	High Quality = iota
	Mid
	Low
)

var qualityNames = [...]string{"high", "mid", "low"}

// ParseQuality returns the quality of that name; "" is High.
func ParseQuality(name string) (Quality, error) {
	if name == "" {
		return High, nil
	}
	for i, n := range qualityNames {
		if n == name {
			return Quality(i), nil
		}
	}
	return High, Errorf(CodeBadRequest, "quality", "a quality is low, mid or high, not %.32q", name)
}

// MarshalText writes the quality's name.
func (q Quality) MarshalText() ([]byte, error) { return []byte(qualityNames[min(q, Low)]), nil }

// UnmarshalText reads the quality's name.
func (q *Quality) UnmarshalText(b []byte) (err error) {
	*q, err = ParseQuality(string(b))
	return err
}
