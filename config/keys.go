package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// minSecret is the least length of a secret in bytes: RFC 7518, section 3.2, asks for a key as long as the
// hash of HS256.
const minSecret = 32

// Key is a key that tokens are signed with, id:secret. It prints without its secret.
type Key string

// ID returns the name of the key, which tokens carry.
func (k Key) ID() string {
	id, _, _ := strings.Cut(string(k), ":")
	return id
}

// Secret returns what nobody else may know.
func (k Key) Secret() string {
	_, secret, _ := strings.Cut(string(k), ":")
	return secret
}

// String returns the key with its secret masked. What it returns is too short to be taken for a key again.
func (k Key) String() string { return k.ID() + ":***" }

// GoString is String, so that %#v does not print the secret either.
func (k Key) GoString() string { return k.String() }

// ParseKey reads id:secret, with a secret of at least 32 bytes. Its errors never quote the secret.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	id, secret, found := strings.Cut(text, ":")
	switch {
	case !found:
		return "", errors.New("a key is id:secret")
	case !validName(id):
		return "", errors.New("the id of a key is 1 to 64 of A-Z a-z 0-9 _ -")
	case len(secret) < minSecret:
		return "", fmt.Errorf("the secret of key %q has %d bytes, at least %d are needed; `sfu key create` makes one",
			id, len(secret), minSecret)
	}
	return Key(text), nil
}

// configured returns the keys that do not stand in KeysFile.
func (a Auth) configured() []Key { return a.Keys[:len(a.Keys)-a.fromFile] }

// Reread returns the keys with KeysFile read again, all of them or none. A faulty line is an error, and so is
// a file without a key. Errors never quote a secret.
func (a Auth) Reread() ([]Key, error) {
	keys := slices.Clone(a.configured())
	if a.KeysFile == "" {
		return keys, nil
	}
	more, err := readKeys(a.KeysFile)
	if err != nil {
		return nil, err
	}
	return append(keys, more...), nil
}

// readKeys reads a file of keys, one a line. All faulty lines are reported.
func readKeys(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	keys, err := scanKeys(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func scanKeys(r io.Reader) ([]Key, error) {
	var keys []Key
	var errs []error
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := ParseKey(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, err)
	}
	if len(keys) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("there is no key in it"))
	}
	return keys, errors.Join(errs...)
}

// validName says whether text can name a key or a node.
func validName(text string) bool {
	if len(text) == 0 || len(text) > 64 {
		return false
	}
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
