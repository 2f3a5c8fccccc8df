package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

const (
	// tellAgain is how long the same trouble with NATS is not logged again. Lower fills logs while a server
	// is away. Higher leaves people that look at the end of a log without the reason.
	tellAgain = time.Minute
	// maxTroubles bounds how many different troubles are known; beyond it all are forgotten.
	maxTroubles = 32
)

// Trouble logs what is wrong with NATS: the same once a minute, whichever connection of the process has it.
// Safe for concurrent use.
type Trouble struct {
	now  func() time.Time
	mu   sync.Mutex
	told map[string]*telling
}

// telling is what is known of one trouble.
type telling struct {
	at   time.Time
	more int // times that it was not logged since
}

// NewTrouble returns one that has logged nothing yet. now is the clock; nil: time.Now.
func NewTrouble(now func() time.Time) *Trouble {
	if now == nil {
		now = time.Now
	}
	return &Trouble{now: now, told: map[string]*telling{}}
}

// Warn logs an error, unless the same was logged within the last minute.
func (t *Trouble) Warn(log zerolog.Logger, what string, err error) { t.warn(log, what, err, nil) }

func (t *Trouble) warn(log zerolog.Logger, what string, err error, fields map[string]string) {
	if log.GetLevel() > zerolog.WarnLevel { // another connection is to say it
		return
	}
	text := reason(err)
	more, first := t.tell(what + text)
	if !first {
		return
	}
	e := log.Warn().Str("error", text)
	for _, name := range []string{"url", "do"} {
		if v := fields[name]; v != "" {
			e = e.Str(name, v)
		}
	}
	if more > 0 {
		e = e.Int("again", more)
	}
	e.Msg(what)
}

// tell reports whether a trouble is to be logged, and how often it was not since it was last.
func (t *Trouble) tell(text string) (more int, now bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.told[text]
	if one != nil && t.now().Sub(one.at) < tellAgain {
		one.more++
		return 0, false
	}
	if one != nil {
		more = one.more
	}
	if len(t.told) >= maxTroubles {
		clear(t.told)
	}
	t.told[text] = &telling{at: t.now()}
	return more, true
}

// over notes that NATS has been reached: whatever comes now is news, a moment later.
func (t *Trouble) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for text, one := range t.told {
		if t.now().Sub(one.at) >= tellAgain/6 { // a server that comes and goes does not fill the log either
			delete(t.told, text)
		}
	}
}

// reason is an error in words without what may be secret, and without what differs from one attempt to the
// next.
func reason(err error) string {
	var at *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &at) && at.Op == "dial" && at.Err != nil:
		return "dial: " + at.Err.Error()
	}
	return err.Error()
}

// advice says what to do about an error of connecting.
func advice(err error) string {
	var name *net.DNSError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var refused *tls.CertificateVerificationError
	text := strings.ToLower(err.Error())
	switch {
	case errors.As(err, &name):
		return "look at the host name in nats.url"
	case errors.As(err, &host):
		return "name the server in nats.url as its certificate does"
	case errors.As(err, &authority), errors.As(err, &refused):
		return "give the authority of the server's certificate by nats.tls.ca"
	// That is what the library says of what it finds in the file.
	case strings.Contains(text, "signing nonce"), strings.Contains(text, "nkeys:"):
		return "look at the file of nats.credentials: it has to have a user's JWT and seed"
	case strings.Contains(text, "remote error: tls:"), strings.Contains(text, "closed by remote after tls handshake"):
		return "give a certificate that the server takes by nats.tls.cert and nats.tls.key"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), strings.Contains(text, "authorization"), strings.Contains(text, "authentication"):
		return "look at the user and password in nats.url, nats.user, nats.password or nats.credentials"
	case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted), strings.Contains(text, "tls"), strings.Contains(text, "certificate"):
		return "look at nats.tls and whether the server speaks TLS"
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return "look at the files of nats.credentials and nats.tls"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "start the NATS server, or look at host and port in nats.url"
	}
	return "look at nats.url and at the network between"
}

// redact masks users and passwords in a list of URLs.
func redact(list string) string {
	servers := strings.Split(list, ",")
	for i, s := range servers {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil {
			return ""
		}
		if u.User != nil {
			u.User = url.User("xxxxx")
		}
		servers[i] = u.String()
	}
	return strings.Join(servers, ",")
}
