package sfu

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/config"
	"parlor/session/terms"
	"parlor/session/token"
)

// patience is how long a change of a file may take to be noticed.
const patience = 10 * time.Second

func line(id string) string { return id + ":" + strings.Repeat(id, 40) + "\n" }

// mint makes a token of the key that line makes.
func mint(t *testing.T, id string) string {
	t.Helper()
	keys, err := token.New(nil, token.Key{ID: id, Secret: []byte(strings.Repeat(id, 40))})
	require.NoError(t, err)
	text, err := keys.Mint(terms.Grant{Rights: terms.AllRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	return text
}

// book is a log that can be read while it is written.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Book is for the tests outside of the package.
type Book = book

// ring is a keyring over a file with the key a, being watched; auth.keys has the key s.
func ring(t *testing.T, path string) (*keyring, *book) {
	t.Helper()
	r, log := unwatched(t, path)
	r.watch(t, log)
	return r, log
}

// unwatched is ring, not being watched yet.
func unwatched(t *testing.T, path string) (*keyring, *book) {
	t.Helper()
	cfg, err := config.Load(config.Sources{Environ: []string{"SFU_AUTH_KEYS=" + strings.TrimSpace(line("s")), "SFU_AUTH_KEYS_FILE=" + path}})
	require.NoError(t, err)
	log := new(book)
	r, err := newKeyring(cfg.Auth, zerolog.New(log))
	require.NoError(t, err)
	return r, log
}

// watch runs the keyring until the test ends.
func (r *keyring) watch(t *testing.T, log *book) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		for _, id := range []string{"s", "a", "b"} {
			require.NotContains(t, log.String(), strings.Repeat(id, 32), "a secret in the log")
		}
	})
}

// accepts waits until the ring accepts tokens of the ids given, and no others, and until the reading that
// brought them has been logged and counted.
func (r *keyring) accepts(t *testing.T, want string) {
	t.Helper()
	texts := map[string]string{}
	for _, id := range []string{"s", "a", "b"} {
		texts[id] = mint(t, id)
	}
	require.Eventually(t, func() bool {
		got := ""
		for _, id := range []string{"s", "a", "b"} {
			if _, err := r.keys.Parse(texts[id]); err == nil {
				got += id
			}
		}
		return got == want
	}, patience, 10*time.Millisecond, "not the keys %s", want)
	r.mu.Lock() // the reading holds it until its end
	defer r.mu.Unlock()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestKeysFollowTheirFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sfu.keys")
	write(t, path, line("a"))
	r, log := ring(t, path)
	r.accepts(t, "sa")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(line("b")) // sfu key create >> sfu.keys
	require.NoError(t, err)
	require.NoError(t, f.Close())
	r.accepts(t, "sab")
	write(t, path+".new", line("b"))
	require.NoError(t, os.Rename(path+".new", path)) // as editors do
	r.accepts(t, "sb")
	require.Contains(t, log.String(), `"gone":["a"]`)
	require.NoError(t, os.Remove(path)) // as other editors do
	require.Eventually(t, func() bool { return r.failures.Load() == 1 }, patience, 10*time.Millisecond)
	r.accepts(t, "sb")
	write(t, path, line("a"))
	r.accepts(t, "sa")
	require.EqualValues(t, 3, r.changes.Load())
	require.EqualValues(t, 2, r.count.Load())
}

// TestKeysInARestlessDirectory: they are read although somebody writes beside them all the time.
func TestKeysInARestlessDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sfu.keys")
	write(t, path, line("a"))
	r, _ := ring(t, path)
	r.accepts(t, "sa")
	write(t, path+".new", line("b"))
	require.NoError(t, os.Rename(path+".new", path))
	b := mint(t, "b")
	require.Eventually(t, func() bool {
		write(t, filepath.Join(dir, "sfu.log"), "another line")
		_, err := r.keys.Parse(b)
		return err == nil
	}, patience, quietTime/20)
}

// TestKeysChangeBeforeTheyAreWatched: between the start, when they are read, and the watch.
func TestKeysChangeBeforeTheyAreWatched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sfu.keys")
	write(t, path, line("a"))
	r, log := unwatched(t, path)
	write(t, path, line("b"))
	r.watch(t, log)
	r.accepts(t, "sb")
}

// TestKeysOfAVolume changes files as Kubernetes does: the file is a link through ..data, which is exchanged.
func TestKeysOfAVolume(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []string{"a", "b"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "..of_"+id), 0o700))
		write(t, filepath.Join(dir, "..of_"+id, "sfu.keys"), line(id))
	}
	require.NoError(t, os.Symlink("..of_a", filepath.Join(dir, "..data")))
	require.NoError(t, os.Symlink("..data/sfu.keys", filepath.Join(dir, "sfu.keys")))
	r, _ := ring(t, filepath.Join(dir, "sfu.keys"))
	r.accepts(t, "sa")
	require.NoError(t, os.Symlink("..of_b", filepath.Join(dir, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	r.accepts(t, "sb")
}

// TestKeysOfAnotherKindOfNode: a node that asks nobody for a token does not begin to while it runs, and none
// stops asking.
func TestKeysOfAnotherKindOfNode(t *testing.T) {
	some := config.Auth{Keys: []config.Key{config.Key(strings.TrimSpace(line("a")))}}
	for name, c := range map[string]struct {
		from, to config.Auth
		taken    bool
	}{
		"none to some": {config.Auth{}, some, false}, "some to none": {some, config.Auth{}, false},
		"others":             {some, config.Auth{Keys: []config.Key{config.Key(strings.TrimSpace(line("b")))}}, true},
		"a file in addition": {some, config.Auth{Keys: some.Keys, KeysFile: "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newKeyring(c.from, zerolog.Nop())
			require.NoError(t, err)
			require.Equal(t, c.taken, r.change(c.to))
			require.Equal(t, len(c.from.Keys) == 0, r.keys.Open())
			_, err = r.keys.Parse(mint(t, "b"))
			require.Equal(t, c.taken, err == nil)
		})
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"", "there is no key in it"},
		"comments only":    {"# none\n", "there is no key in it"},
		"no key":           {"nonsense\n", "line 1: a key is id:secret"},
		"one of two":       {line("b") + "c:short\n", "line 2: the secret of key"},
		"twice":            {line("b") + line("b"), "every key has an id of its own"},
		"one of auth.keys": {line("s"), "every key has an id of its own"},
		"a line too long":  {strings.Repeat("b", 1<<17), "token too long"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sfu.keys")
			write(t, path, line("a"))
			r, log := ring(t, path)
			write(t, path+".new", c.text)
			require.NoError(t, os.Rename(path+".new", path))
			require.Eventually(t, func() bool { return r.failures.Load() == 1 }, patience, 10*time.Millisecond)
			r.accepts(t, "sa")
			require.Contains(t, log.String(), c.says)
			require.Contains(t, log.String(), `"keys":["s","a"]`)
			require.Error(t, r.reload(true), "asked again it says so again")
			require.EqualValues(t, 2, r.failures.Load())
			write(t, path, line("b"))
			r.accepts(t, "sb")
			write(t, path+".new", c.text)
			require.NoError(t, os.Rename(path+".new", path))
			require.Eventually(t, func() bool { return r.failures.Load() == 3 }, patience, 10*time.Millisecond, "the same fault, another time")
			r.accepts(t, "sb")
		})
	}
}
