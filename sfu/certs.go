package sfu

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"context"

	"github.com/rs/zerolog"

	"parlor/config"
)

// certs are the certificates that the node shows, which are read again when their files change. Certificates
// are added while the node is built. Each handshake takes the one that is shown then, so connections that
// stand notice nothing.
type certs struct {
	log zerolog.Logger

	mu   sync.Mutex
	list []*certificate
}

// certificate is one of them, with its key.
type certificate struct {
	section, cert, key string // the section of its settings, and the files
	shown              atomic.Pointer[tls.Certificate]
	fault              string // of the last reading; under certs.mu
}

// get is that of tls.Config.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.shown.Load(), nil }

// read takes what is in the files. It reports whether that is another certificate than before. If there is an
// error, nothing changes.
func (c *certificate) read() (changed bool, err error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return false, &config.Error{Key: c.section + ".cert", Reason: err.Error()}
	}
	old := c.shown.Swap(&pair)
	return old == nil || string(old.Certificate[0]) != string(pair.Certificate[0]), nil
}

// add reads a certificate for the first time. The error is a *config.Error.
func (c *certs) add(section, cert, key string) (*certificate, error) {
	one := &certificate{section: section, cert: cert, key: key}
	if _, err := one.read(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, one)
	return one, nil
}

// reload reads all of them. asked has it also log certificates that are as they were, and faults that were
// logged already.
func (c *certs) reload(asked bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, one := range c.list {
		changed, err := one.read()
		switch {
		case err != nil:
			errs = append(errs, err)
			if asked || err.Error() != one.fault {
				c.log.Error().Err(err).Msg("a certificate was not taken, the one before stays")
			}
			one.fault = err.Error()
			continue
		case changed || asked:
			leaf := one.shown.Load().Leaf
			c.log.Info().Str("certificate", one.section).Bool("new", changed).Strs("names", leaf.DNSNames).Time("until", leaf.NotAfter).Msg("certificate read again")
		}
		one.fault = ""
	}
	return errors.Join(errs...)
}

func (c *certs) files() (paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.list {
		paths = append(paths, one.cert, one.key)
	}
	return paths
}

// run reads the certificates again whenever their files have changed, until ctx is done.
func (c *certs) run(ctx context.Context) error {
	// reload logs what is wrong.
	return watchFiles(ctx, c.log, "certificates", c.files(), func() { _ = c.reload(false) })
}

// Reload reads what the node has in files again: keys of tokens and certificates. What is wrong with one is
// logged, returned, and leaves it as it was. Reload may be called from any goroutine.
func (n *Node) Reload() error {
	var errs []error
	if n.ring.auth.KeysFile != "" {
		errs = append(errs, n.ReloadKeys())
	}
	errs = append(errs, n.certs.reload(true))
	if n.ring.auth.KeysFile == "" && len(n.certs.files()) == 0 {
		n.log.Info().Msg("there is no file to be read again: no auth.keys_file, no certificate")
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("reading files again: %w", err)
	}
	return nil
}
