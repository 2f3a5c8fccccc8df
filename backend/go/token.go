package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// minSecret is the least length of a key's secret in bytes.
const minSecret = 32

// Key signs tokens. Nodes have it in their auth.keys or auth.keys_file.
type Key struct {
	ID     string
	Secret []byte
}

// ParseKey reads a key as `sfu key create` writes it, and as nodes read it: id:secret. The error never has the
// secret in it.
func ParseKey(line string) (Key, error) {
	id, secret, found := strings.Cut(strings.TrimSpace(line), ":")
	switch {
	case !found || id == "":
		return Key{}, errors.New("a key is written id:secret")
	case len(secret) < minSecret:
		return Key{}, fmt.Errorf("the secret of the key %q has %d bytes, at least %d are needed", id, len(secret), minSecret)
	}
	return Key{ID: id, Secret: []byte(secret)}, nil
}

// RoomRef names a room in tokens and events: by its number, or if that is 0 by its name. The room 123 and the
// room "123" are two rooms. The zero RoomRef is no room.
type RoomRef struct {
	Number uint32
	Name   string
}

// NamedRoom returns the room of a name.
func NamedRoom(name string) RoomRef { return RoomRef{Name: name} }

// NumberedRoom returns the room of a number.
func NumberedRoom(number uint32) RoomRef { return RoomRef{Number: number} }

// MarshalJSON writes a number or a string.
func (r RoomRef) MarshalJSON() ([]byte, error) {
	if r.Number != 0 {
		return json.Marshal(r.Number)
	}
	return json.Marshal(r.Name)
}

// UnmarshalJSON reads a number or a string.
func (r *RoomRef) UnmarshalJSON(text []byte) error {
	*r = RoomRef{}
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &r.Name)
	}
	return json.Unmarshal(text, &r.Number)
}

// Grant is what a token says.
type Grant struct {
	Room   RoomRef  // the only room it holds for; only with the right admin it may be left out
	User   string   // the only user it holds for; likewise
	Rights []string // Right…; nil: all but admin
	Role   string   // "audience": the user may not become anchor; "": no limit

	// Name is what people call the user, Metadata a text of the application about it, which the others get. Nil:
	// the user says that. What is not nil the user cannot change.
	Name, Metadata *string

	Expires time.Time // when it ends
}

// claims is a token's payload.
type claims struct {
	Room   *RoomRef `json:"room,omitempty"`
	User   string   `json:"user,omitempty"`
	Rights []string `json:"rights"`
	Role   string   `json:"role,omitempty"`

	Name     *string `json:"name,omitempty"`
	Metadata *string `json:"metadata,omitempty"`

	Exp int64 `json:"exp"`
	Iat int64 `json:"iat"`
}

// Token returns a token: a JWT, signed with HS256. now is the time at which it is made.
func (k Key) Token(g Grant, now time.Time) (string, error) {
	if k.ID == "" || len(k.Secret) < minSecret {
		return "", fmt.Errorf("a key has an id, and a secret of at least %d bytes", minSecret)
	}
	if !g.Expires.After(now) {
		return "", errors.New("the token has ended before it is made: Expires")
	}
	c := claims{User: g.User, Rights: g.Rights, Role: g.Role, Name: g.Name, Metadata: g.Metadata, Exp: g.Expires.Unix(), Iat: now.Unix()}
	if g.Room != (RoomRef{}) {
		c.Room = &g.Room
	}
	if c.Rights == nil {
		c.Rights = memberRights
	}
	head, err := part(map[string]string{"alg": "HS256", "kid": k.ID, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	body, err := part(c)
	if err != nil {
		return "", err
	}
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(head + "." + body))
	return head + "." + body + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}

// part is one part of a JWT.
func part(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}
