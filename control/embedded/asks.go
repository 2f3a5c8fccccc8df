package embedded

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"
)

// asks lets in clients that know the user and the password. It compares in constant time.
type asks struct{ user, password string }

// Check is that of server.Authentication.
func (a asks) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	return same(a.user, o.Username)&same(a.password, o.Password) == 1
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
