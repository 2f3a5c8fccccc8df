package terms

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Bounds of a room's id.
const (
	MaxRoomName   = 64         // bytes of a string id
	MaxRoomNumber = 4294967294 // highest integer id; the lowest is 1
)

// roomSigns are the characters of a string id besides letters and digits.
const roomSigns = " !#$%&()+-:;<=.>?@[]^_{}~,|"

// RoomID names a room, by a string or by an integer: 123 and "123" are two rooms. The zero RoomID names none.
// RoomIDs are comparable.
type RoomID struct {
	name   string
	number uint32
}

// StringRoom returns the room with the given string id, or a bad_request.
func StringRoom(name string) (RoomID, error) {
	if name == "" || len(name) > MaxRoomName {
		return RoomID{}, Errorf(CodeBadRequest, "room", "a room's name has 1 to %d bytes, this one has %d", MaxRoomName, len(name))
	}
	if sign, n := foreignSign(name, roomSigns); n != 0 {
		return RoomID{}, Errorf(CodeBadRequest, "room", "a room's name cannot hold %q (character %d): it is made of a–z, A–Z, 0–9, blanks and %s",
			sign, n, strings.TrimSpace(roomSigns))
	}
	return RoomID{name: name}, nil
}

// NumberRoom returns the room with the given integer id, or a bad_request.
func NumberRoom(n int64) (RoomID, error) {
	if n < 1 || n > MaxRoomNumber {
		return RoomID{}, Errorf(CodeBadRequest, "room", "a room's number is 1 to %d, not %d", int64(MaxRoomNumber), n)
	}
	return RoomID{number: uint32(n)}, nil
}

// ParseRoomID takes a string, an integer of any of Go's common types, a float64 without a fraction or a
// json.Number.
func ParseRoomID(v any) (RoomID, error) {
	switch v := v.(type) {
	case RoomID:
		return v, v.Check()
	case string:
		return StringRoom(v)
	case int:
		return NumberRoom(int64(v))
	case int64:
		return NumberRoom(v)
	case uint32:
		return NumberRoom(int64(v))
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return RoomID{}, Errorf(CodeBadRequest, "room", "a room's number is an integer")
		}
		return NumberRoom(int64(v))
	case json.Number:
		return parseRoomNumber(string(v))
	}
	return RoomID{}, Errorf(CodeBadRequest, "room", "a room is a string or an integer")
}

// ParseRoomKey is the reverse of Key.
func ParseRoomKey(key string) (RoomID, error) {
	switch {
	case strings.HasPrefix(key, "s:"):
		return StringRoom(key[2:])
	case strings.HasPrefix(key, "n:"):
		return parseRoomNumber(key[2:])
	}
	return RoomID{}, Errorf(CodeBadRequest, "room", "not a room key")
}

func parseRoomNumber(s string) (RoomID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return RoomID{}, Errorf(CodeBadRequest, "room", "a room's number is an integer of 1 to %d", int64(MaxRoomNumber))
	}
	return NumberRoom(n)
}

// Check returns a bad_request for the zero RoomID.
func (r RoomID) Check() error {
	if r.IsZero() {
		return Errorf(CodeBadRequest, "room", "the room is missing")
	}
	return nil
}

// IsZero reports whether r names no room.
func (r RoomID) IsZero() bool { return r == RoomID{} }

// Number returns the integer id; ok is false for a room named by a string.
func (r RoomID) Number() (n uint32, ok bool) { return r.number, r.number != 0 }

// Key returns a string that differs between any two rooms: "s:lobby", "n:123", and "" for none.
func (r RoomID) Key() string {
	switch {
	case r.name != "":
		return "s:" + r.name
	case r.number != 0:
		return "n:" + strconv.FormatUint(uint64(r.number), 10)
	}
	return ""
}

// String returns the id for people; 123 and "123" look the same.
func (r RoomID) String() string {
	if r.number != 0 {
		return strconv.FormatUint(uint64(r.number), 10)
	}
	return r.name
}

// MarshalJSON writes a JSON string, integer, or null for no room.
func (r RoomID) MarshalJSON() ([]byte, error) {
	switch {
	case r.name != "":
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // < > & are allowed in a name and must read back as they are
		err := e.Encode(r.name)
		return bytes.TrimSpace(b.Bytes()), err
	case r.number != 0:
		return strconv.AppendUint(nil, uint64(r.number), 10), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads a JSON string or an integer literal without fraction and exponent; null is no room.
func (r *RoomID) UnmarshalJSON(b []byte) (err error) {
	switch {
	case string(b) == "null":
		*r = RoomID{}
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err = json.Unmarshal(b, &s); err == nil {
			*r, err = StringRoom(s)
		}
		return err
	}
	*r, err = parseRoomNumber(string(b))
	return err
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
