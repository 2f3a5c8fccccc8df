package sfu

import (
	"os"

	"github.com/rs/zerolog"

	"parlor/config"
)

// warnReadable says which files with secrets everybody on this machine can read. It does not keep the node
// from starting, since files in volumes of containers often cannot be otherwise.
func warnReadable(c config.Config, log zerolog.Logger) {
	for _, secret := range []struct{ key, path string }{
		{"auth.keys_file", c.Auth.KeysFile}, {"http.tls.key", c.HTTP.TLS.Key}, {"webhook.key_file", c.Webhook.KeyFile},
		{"nats.password_file", c.NATS.PasswordFile}, {"nats.credentials", c.NATS.Credentials}, {"nats.tls.key", c.NATS.TLS.Key},
	} {
		if secret.path == "" {
			continue
		}
		if info, err := os.Stat(secret.path); err == nil && info.Mode().Perm()&0o004 != 0 {
			log.Warn().Str("setting", secret.key).Str("file", secret.path).Msg("everybody on this machine can read a file with a secret: chmod 600 it")
		}
	}
}
