package sfu

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"parlor/acme"
	"parlor/config"
)

// certs are the certificates that the node shows, and the authorities that it believes, which are read again
// when their files change. They are added while the node is built. Each handshake takes what is there then, so
// connections that stand notice nothing.
type certs struct {
	log zerolog.Logger

	mu   sync.Mutex
	list []*followed
	acme *acme.Manager // what gets certificates by itself; nil: nothing does
}

// followed is something that is read again, and what has become of it.
type followed struct {
	source
	changes, failures atomic.Uint64
	fault             string // of the last reading; under certs.mu
}

// source is what can be read from files, again and again.
type source interface {
	name() string // of its settings
	paths() []string
	// read takes what is in the files. It reports whether that is something else than before. If there is an
	// error, nothing changes.
	read() (changed bool, err error)
	tell(*zerolog.Event) // what it holds
}

// certificate is one of them, with its key.
type certificate struct {
	section, cert, key string // the section of its settings, and the files
	shown              atomic.Pointer[tls.Certificate]
}

// get is that of tls.Config.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.shown.Load(), nil }

func (c *certificate) name() string { return c.section }

func (c *certificate) paths() []string { return []string{c.cert, c.key} }

func (c *certificate) read() (changed bool, err error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return false, &config.Error{Key: c.section + ".cert", Reason: err.Error()}
	}
	old := c.shown.Swap(&pair)
	return old == nil || !slices.EqualFunc(old.Certificate, pair.Certificate, bytes.Equal), nil
}

func (c *certificate) tell(e *zerolog.Event) {
	leaf := c.shown.Load().Leaf
	e.Strs("names", leaf.DNSNames).Time("until", leaf.NotAfter)
}

// believed are the authorities of which others have to show certificates.
type believed struct {
	key, path string // the setting, and the file
	text      []byte // of the file; of read
	pool      atomic.Pointer[x509.CertPool]
}

func (b *believed) name() string { return b.key }

func (b *believed) paths() []string { return []string{b.path} }

func (b *believed) read() (changed bool, err error) {
	text, err := os.ReadFile(b.path)
	if err != nil {
		return false, &config.Error{Key: b.key, Reason: err.Error()}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return false, &config.Error{Key: b.key, Reason: b.path + " has no certificate in it"}
	}
	changed = !bytes.Equal(text, b.text)
	b.text = text
	b.pool.Store(pool)
	return changed, nil
}

func (b *believed) tell(*zerolog.Event) {}

// add reads something for the first time, and follows it from then on. The error is a *config.Error.
func (c *certs) add(s source) error {
	if _, err := s.read(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, &followed{source: s})
	return nil
}

// reload reads all of them. asked has it also log what is as it was, and faults that were logged already.
func (c *certs) reload(asked bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, one := range c.list {
		changed, err := one.read()
		switch {
		case err != nil:
			errs = append(errs, err)
			if again := err.Error() == one.fault; asked || !again {
				one.failures.Add(1)
				c.log.Error().Err(err).Msg("a certificate was not taken, the one before stays")
			}
			one.fault = err.Error()
			continue
		case changed || asked:
			if changed {
				one.changes.Add(1)
			}
			said := c.log.Info().Str("certificate", one.name()).Bool("new", changed)
			one.tell(said)
			said.Msg("certificate read again")
		}
		one.fault = ""
	}
	if asked && c.acme != nil {
		c.acme.Again()
	}
	return errors.Join(errs...)
}

// files returns what is to be watched.
func (c *certs) files() (paths []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.list {
		paths = append(paths, one.paths()...)
	}
	return paths
}

// run reads the certificates again whenever their files have changed, until ctx is done.
func (c *certs) run(ctx context.Context) error {
	// reload logs what is wrong.
	return watchFiles(ctx, c.log, "certificates", c.files(), func() { _ = c.reload(false) })
}
