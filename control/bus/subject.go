package bus

import (
	"encoding/base64"
	"fmt"
	"strings"

	"parlor/session/terms"
)

// Prefix begins the subjects of all commands and events.
const Prefix = "sfu.v1"

// RoomToken returns the room's part of a subject.
func RoomToken(room terms.RoomID) string {
	if n, ok := room.Number(); ok {
		return fmt.Sprintf("n-%d", n)
	}
	return token("s-", room.String())
}

// UserToken returns a user's part of a subject: as RoomToken of a room of that name.
func UserToken(user string) string { return token("s-", user) }

// NodeToken returns a node's name as a part of a subject. A name of letters, digits, - and _ stays as it is;
// others are in URL-safe base64 after "b-".
func NodeToken(node string) string { return token("s-", node)[2:] }

func token(plain, name string) string {
	odd := strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_')
	})
	if odd < 0 && name != "" {
		return plain + name
	}
	return "b-" + base64.RawURLEncoding.EncodeToString([]byte(name))
}
