package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// key makes the tokens with which clients enter a node that has keys. The zero key makes none.
type key struct {
	id     string
	secret []byte
}

// tokenLife is longer than any run.
const tokenLife = 24 * time.Hour

// readKey takes the first key of a file of id:secret lines, as `sfu key create` writes it. No path: the zero
// key.
func readKey(path string) (key, error) {
	if path == "" {
		return key{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return key{}, fmt.Errorf("--server-keys: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, secret, ok := strings.Cut(line, ":")
		if !ok {
			break // the line is not shown, since it may be a secret
		}
		return key{id: id, secret: []byte(secret)}, nil
	}
	return key{}, fmt.Errorf("--server-keys: %s has no line id:secret; `sfu key create --out %s` writes one", path, path)
}

// token lets a user into a room, with all rights there but admin.
func (k key) token(room, user string, now time.Time) string {
	if k.secret == nil {
		return ""
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"room": room, "user": user, "exp": jwt.NewNumericDate(now.Add(tokenLife)), "rights": []string{
			"enter", "create", "send_audio", "recv_audio", "send_video", "recv_video", "send_screen", "recv_screen", "send_message",
		},
	})
	t.Header["kid"] = k.id
	signed, err := t.SignedString(k.secret)
	if err != nil {
		panic(err) // HS256 takes any bytes, and the claims are as above
	}
	return signed
}
