package sfu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"parlor/config"
	"parlor/session/token"
)

// keyring keeps the keys of tokens as auth.keys_file has them.
type keyring struct {
	auth config.Auth
	keys *token.Keys
	log  zerolog.Logger

	changes, failures atomic.Uint64
	count             atomic.Int64 // of keys in force

	mu      sync.Mutex // held while the file is read; guards the fields below
	inForce []config.Key
	fault   string             // of the last reading; empty: none
	told    func([]config.Key) // is given the keys whenever they change; nil: nobody
}

// follow has f called with the keys that are in force now, and with those that come, one call at a time.
func (r *keyring) follow(f func([]config.Key)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = f
	f(r.inForce)
}

func newKeyring(auth config.Auth, log zerolog.Logger) (*keyring, error) {
	keys, err := token.New(time.Now, tokenKeys(auth.Keys)...)
	if err != nil {
		return nil, &config.Error{Key: "auth.keys", Reason: err.Error()}
	}
	if auth.MapKeys {
		keys.RequirePrivateMapKeys()
	}
	r := &keyring{auth: auth, keys: keys, log: log, inForce: auth.Keys}
	r.count.Store(int64(len(auth.Keys)))
	return r, nil
}

func tokenKeys(keys []config.Key) []token.Key {
	l := make([]token.Key, len(keys))
	for i, k := range keys {
		l[i] = token.Key{ID: k.ID(), Secret: []byte(k.Secret())}
	}
	return l
}

// change puts the keys of auth.keys into the place of those before. It reports whether it could: a node that
// asked nobody for a token, or is to ask nobody, is another one. What is wrong with them is logged, too.
func (r *keyring) change(to config.Auth) bool {
	r.mu.Lock()
	before := r.auth
	if r.keys.Open() || to.KeysFile != before.KeysFile || len(to.Keys) == 0 {
		r.mu.Unlock()
		return false
	}
	r.auth = to
	r.mu.Unlock()
	if r.reload(false) == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.auth = before
	return false
}

// ReloadKeys reads auth.keys_file again. Its keys, behind those of auth.keys, take the place of those in
// force. If there is an error, nothing has changed; it is logged, too. Without auth.keys_file it is an error.
// ReloadKeys may be called from any goroutine.
func (n *Node) ReloadKeys() error {
	if n.ring.auth.KeysFile == "" {
		return errors.New("there is no auth.keys_file to read")
	}
	return n.ring.reload(true)
}

// reload reads the file. asked has it also log keys that are as they were, and a fault that was logged
// already.
func (r *keyring) reload(asked bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys, err := r.auth.Reread()
	same := err == nil && slices.Equal(keys, r.inForce)
	if err == nil && !same {
		err = r.keys.Replace(tokenKeys(keys)...)
	}
	if err != nil {
		err = fmt.Errorf("auth.keys_file: %w", err)
		if again := err.Error() == r.fault; again && !asked {
			return err
		}
		r.fault = err.Error()
		r.failures.Add(1)
		r.log.Error().Err(err).Strs("keys", names(r.inForce)).Msg("keys were not taken, those before stay")
		return err
	}
	r.fault = ""
	if same {
		if asked {
			r.log.Info().Strs("keys", names(keys)).Msg("keys are as they were")
		}
		return nil
	}
	gone := slices.DeleteFunc(slices.Clone(r.inForce), func(k config.Key) bool { return slices.Contains(keys, k) })
	r.inForce = keys
	r.changes.Add(1)
	r.count.Store(int64(len(keys)))
	if r.told != nil {
		r.told(keys)
	}
	r.log.Info().Strs("keys", names(keys)).Strs("gone", names(gone)).Msg("keys have changed")
	return nil
}

// names returns the ids, which are no secrets.
func names(keys []config.Key) []string {
	l := make([]string, len(keys))
	for i, k := range keys {
		l[i] = k.ID()
	}
	return l
}

// run reads the file whenever it has changed, until ctx is done.
func (r *keyring) run(ctx context.Context) error {
	// reload logs what is wrong.
	return watchFiles(ctx, r.log, "auth.keys_file", []string{r.auth.KeysFile}, func() { _ = r.reload(false) })
}
