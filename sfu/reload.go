package sfu

import (
	"errors"
	"fmt"
	"slices"

	"parlor/config"
)

// Reload reads what the node has in files again: keys of tokens and certificates. What is wrong with one is
// logged, returned, and leaves it as it was. Orders of certificates that have failed are given again. Reload
// may be called from any goroutine.
func (n *Node) Reload() error {
	var errs []error
	if n.ring.auth.KeysFile != "" {
		errs = append(errs, n.ReloadKeys())
	}
	errs = append(errs, n.certs.reload(true))
	if n.ring.auth.KeysFile == "" && len(n.certs.files()) == 0 && len(n.cfg.HTTP.ACME.Hosts) == 0 {
		n.log.Info().Msg("there is no file to be read again: no auth.keys_file, no certificate")
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reading files again: %w", err)
	}
	return nil
}

// Apply takes the settings of another configuration that can change while the node runs: auth.keys, unless
// there were none, and http.origins. It returns the keys of the others that differ, log.level left out, which
// is the caller's. cfg is one of config.Load. Calls of Apply exclude each other.
func (n *Node) Apply(cfg config.Config) (later []string) {
	n.applying.Lock()
	defer n.applying.Unlock()
	for _, key := range config.Changed(&n.cfg, &cfg) {
		switch {
		case key == "log.level":
		case key == "http.origins":
			origins := slices.Clone(cfg.HTTP.Origins)
			n.origins.Store(&origins)
		case key == "auth.keys" && n.ring.change(cfg.Auth):
		default:
			later = append(later, key)
		}
	}
	return later
}
