package acme_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/acme"
)

// run has a manager run until the test, or stop, ends it.
func run(t *testing.T, a *authority, o acme.Options) (m *acme.Manager, log *book, stop func()) {
	t.Helper()
	log = new(book)
	o.Directory, o.Client, o.Log = at+"/dir", a, zerolog.New(log)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	m, err := acme.New(o)
	require.NoError(t, err)
	a.set(func() {
		a.asks = func(host, kind string) bool { return check(m, host, kind) }
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return m, log, stop
}

func (a *authority) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// ordered returns how many orders there were.
func (a *authority) ordered() (n int) {
	a.set(func() { n = len(a.orders) })
	return n
}

// shown returns the certificate that a client of a host is shown; nil: none is.
func shown(m *acme.Manager, host string) *x509.Certificate {
	c, err := m.Certificate(&tls.ClientHelloInfo{ServerName: host, SupportedProtos: []string{"http/1.1"}})
	if err != nil {
		return nil
	}
	return c.Leaf
}

// after lets time pass, and what goes on with it.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestCertificatesAreRenewed(t *testing.T) {
	for name, plain := range map[string]bool{"TLS-ALPN-01": false, "HTTP-01": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthority(t)
				m, log, stop := run(t, a, acme.Options{Hosts: []string{"one.test", "two.test"}, Plain: plain})
				require.Nil(t, shown(m, "one.test"))
				after(time.Minute)
				first, two := shown(m, "one.test"), shown(m, "two.test")
				require.NotNil(t, first)
				require.NoError(t, two.VerifyHostname("two.test"))
				require.Equal(t, 2, a.ordered())
				require.Equal(t, map[bool]string{false: "tls-alpn-01", true: "http-01"}[plain], a.checked["one.test"])
				require.Equal(t, first, shown(m, ""), "a client without SNI gets the first")
				require.Equal(t, first, shown(m, "ONE.test."))
				require.Equal(t, first, shown(m, "other.test"))

				after(55 * 24 * time.Hour)
				require.Equal(t, first, shown(m, "one.test"))
				after(6 * 24 * time.Hour) // a third of 90 days is left
				require.Equal(t, 4, a.ordered())
				second := shown(m, "one.test")
				require.True(t, second.NotAfter.After(first.NotAfter))
				require.Equal(t, 1, a.accounts)
				require.EqualValues(t, 2, m.Report()[0].Orders["issued"])
				require.Equal(t, second.NotAfter, m.Report()[0].Until)
				require.False(t, check(m, "one.test", "tls-alpn-01"), "nobody is told anything when nothing is checked")
				require.False(t, check(m, "one.test", "http-01"))
				require.NotContains(t, log.String(), `"error"`)
				stop()
			})
		})
	}
}

// TestFailuresLeaveTheCertificate: whatever goes wrong, what was is shown, and it is tried again ever more
// seldom.
func TestFailuresLeaveTheCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		wrong        func(a *authority)
		result, says string
		most         int // orders in a day
	}{
		"nobody there":      {func(a *authority) { a.away = errors.New("refused") }, "unreachable", "reaches http.acme.directory", 6},
		"slow":              {func(a *authority) { a.slow = time.Hour }, "unreachable", "slow", 6},
		"another's server":  {func(a *authority) { a.away = x509.UnknownAuthorityError{} }, "unreachable", "http.acme.ca", 6},
		"the host is wrong": {func(a *authority) { a.asks = func(string, string) bool { return false } }, "refused", "let the authority in", 6},
		"too many":          {func(a *authority) { a.problem, a.after = "rateLimited", "40000" }, "limited", "allows no more", 3},
		"not for this name": {func(a *authority) { a.problem = "rejectedIdentifier" }, "refused", "take it out of http.acme.hosts", 6},
		"a very long wait":  {func(a *authority) { a.problem, a.after = "rateLimited", "99999999" }, "limited", "allows no more", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthority(t)
				m, log, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}})
				after(time.Minute)
				first := shown(m, "one.test")
				a.set(func() { c.wrong(a) })
				after(61 * 24 * time.Hour)
				before := a.ordered()
				after(24 * time.Hour)
				require.LessOrEqual(t, a.ordered()-before, c.most)
				require.Equal(t, first, shown(m, "one.test"))
				require.Contains(t, log.String(), c.says)
				require.Contains(t, log.String(), "the certificate before stays")
				require.NotZero(t, m.Report()[0].Orders[c.result])
				require.EqualValues(t, 1, m.Report()[0].Orders["issued"])
				// it works again, and somebody asks for it
				a.set(func() {
					a.away, a.slow, a.problem, a.asks = nil, 0, "", func(host, kind string) bool { return check(m, host, kind) }
				})
				after(orderTime) // a slow order ends
				m.Again()
				after(time.Minute)
				require.True(t, shown(m, "one.test").NotAfter.After(first.NotAfter))
				stop()
			})
		})
	}
}

// orderTime is that of the package.
// TestCertificatesThatAreOverAsTheyCome, as for a machine whose clock is ahead, do not use up what the authority
// allows.
func TestCertificatesThatAreOverAsTheyCome(t *testing.T) {
	for _, life := range []time.Duration{-time.Hour, 0} {
		synctest.Test(t, func(t *testing.T) {
			a := newAuthority(t)
			a.life = life
			_, _, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}})
			after(time.Hour)
			require.LessOrEqual(t, a.ordered(), 16, life)
			stop()
		})
	}
}

const orderTime = 3 * time.Minute

// TestFirstOrderFails: until there is a certificate, handshakes of the host fail at once, and those that name
// none get an answer. The first hour has at most five orders.
func TestFirstOrderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		a.problem = "rejectedIdentifier"
		m, log, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}, Plain: true})
		after(time.Hour)
		require.Equal(t, 5, a.ordered())
		_, err := m.Certificate(&tls.ClientHelloInfo{ServerName: "one.test"})
		require.ErrorContains(t, err, "no certificate of one.test yet")
		c, err := m.Certificate(&tls.ClientHelloInfo{})
		require.NoError(t, err)
		require.NotEmpty(t, c.Certificate)
		require.Contains(t, log.String(), "browsers do not get in")
		require.True(t, m.Report()[0].Until.IsZero())
		stop()
	})
}

// TestChecksTakeTurns: a host that cannot be checked in one way is checked in the other one.
func TestChecksTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t)
		m, _, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}, Plain: true})
		a.set(func() {
			a.asks = func(host, kind string) bool { return kind == "tls-alpn-01" && check(m, host, kind) }
		})
		after(10 * time.Minute)
		require.NotNil(t, shown(m, "one.test"))
		require.EqualValues(t, 1, m.Report()[0].Orders["refused"])
		stop()
	})
}

// TestCertificatesAreKept: a node that starts again shows what it has, and orders nothing. What is broken is
// ordered anew.
func TestCertificatesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, dir := newAuthority(t), t.TempDir()
		m, _, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}, Dir: dir})
		after(time.Minute)
		first := shown(m, "one.test")
		stop()
		files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
		require.NoError(t, err)
		require.Len(t, files, 2)
		for _, path := range files {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		}
		m, _, stop = run(t, a, acme.Options{Hosts: []string{"one.test"}, Dir: dir})
		require.Equal(t, first, shown(m, "one.test"))
		after(time.Hour)
		stop()
		require.Equal(t, 1, a.ordered())
		require.NoError(t, os.WriteFile(filepath.Join(dir, "authority.test_dir", "one.test.crt.pem"), []byte("rubbish"), 0o600))
		m, log, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}, Dir: dir})
		require.Nil(t, shown(m, "one.test"))
		after(time.Minute)
		require.NotNil(t, shown(m, "one.test"))
		require.Contains(t, log.String(), "a kept certificate cannot be used")
		stop()
		text, err := os.ReadFile(filepath.Join(dir, "authority.test_dir", "one.test.crt.pem"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "authority.test_dir", "two.test.crt.pem"), text, 0o600))
		m, log, stop = run(t, a, acme.Options{Hosts: []string{"two.test"}, Dir: dir})
		require.Nil(t, shown(m, "two.test"), "it is another host's")
		require.Contains(t, log.String(), "not two.test")
		stop()

		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.WriteFile(dir, nil, 0o600)) // a file where the directory was
		_, err = acme.New(acme.Options{Hosts: []string{"one.test"}, Dir: dir, Directory: at + "/dir"})
		require.Error(t, err)
	})
}

// TestWhatCannotBeKeptIsShown: a full disk keeps nobody out.
func TestWhatCannotBeKeptIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, dir := newAuthority(t), t.TempDir()
		// a directory is where the file would be
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "authority.test_dir", "one.test.crt.pem", "x"), 0o700))
		m, log, stop := run(t, a, acme.Options{Hosts: []string{"one.test"}, Dir: dir})
		after(time.Minute)
		require.NotNil(t, shown(m, "one.test"))
		require.Contains(t, log.String(), "could not be kept")
		require.EqualValues(t, 1, m.Report()[0].Orders["unkept"])
		stop()
	})
}

// TestPort80LeadsToHTTPS: to the hosts alone, whatever a client says.
func TestPort80LeadsToHTTPS(t *testing.T) {
	m, err := acme.New(acme.Options{Hosts: []string{"one.test", "two.test"}, Dir: t.TempDir(), Directory: at})
	require.NoError(t, err)
	for asked, want := range map[string]string{
		"http://two.test/a?b=c": "https://two.test/a?b=c", "http://evil.test/": "https://one.test/", "http://TWO.test:80//evil.test": "https://two.test//evil.test",
	} {
		w := httptest.NewRecorder()
		m.Challenges().ServeHTTP(w, httptest.NewRequest("GET", asked, nil))
		require.Equal(t, http.StatusMovedPermanently, w.Code)
		require.Equal(t, want, w.Header().Get("Location"))
	}
	w := httptest.NewRecorder()
	m.Challenges().ServeHTTP(w, httptest.NewRequest("POST", "http://one.test/whip/a", nil))
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.False(t, check(m, "one.test", "http-01"))
}
