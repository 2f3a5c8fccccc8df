package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// store is a directory with the account at one authority, and the certificates of that.
type store struct{ dir string }

// storeError is a fault of the files.
type storeError struct{ error }

// newStore returns the store of an authority below dir. Certificates of one for tests are not shown once
// another is asked.
func newStore(dir, authority string) store {
	name := authority
	if u, err := url.Parse(authority); err == nil {
		name = u.Host + u.Path
	}
	safe := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}
	return store{filepath.Join(dir, strings.Map(safe, strings.TrimLeft(name, ".")))}
}

// check makes the directory, and tries whether files can be written in it.
func (s store) check() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, ".try-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// account returns the key of the account. The first time it makes one.
func (s store) account() (*ecdsa.PrivateKey, error) {
	path := filepath.Join(s.dir, "account.pem")
	text, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s: there is no key in it", path)
		}
		key, err := parseKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := keyBlock(key)
	if err != nil {
		return nil, err
	}
	return key, s.write(path, pem.EncodeToMemory(block))
}

func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	if k, ok := key.(*ecdsa.PrivateKey); ok {
		return k, nil
	}
	return nil, errors.New("the key is no ECDSA key")
}

func keyBlock(key any) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
}

// path is where the certificate of a host is kept, with its key.
func (s store) path(host string) string { return filepath.Join(s.dir, host+".crt.pem") }

// certificate returns the certificate that is kept of a host; nil: none is.
func (s store) certificate(host string) (*tls.Certificate, error) {
	path := s.path(host)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	got, err := usable(host, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return got, nil
}

// keep writes a certificate and its key into one file, so that they always fit to each other.
func (s store) keep(host string, c *tls.Certificate) error {
	block, err := keyBlock(c.PrivateKey)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(block)
	for _, der := range c.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return s.write(s.path(host), text)
}

// write puts a file in place of what is there. Whenever the machine stops, the file is the one or the other.
func (s store) write(path string, text []byte) error {
	f, err := os.CreateTemp(s.dir, ".new-") // only its owner may read it
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
