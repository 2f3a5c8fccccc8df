package bus_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"parlor/control/bus"
	"parlor/control/natstest"
	"parlor/transport/certtest"
)

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// reaches connects. It returns why that fails, as it is logged; "" says that it succeeds.
func reaches(t *testing.T, at bus.Server) string {
	t.Helper()
	log := new(natstest.Journal)
	failed := make(chan struct{}, 100)
	at.Failed = func(string) { failed <- struct{}{} }
	nc, err := bus.Connect(at, "test", zerolog.New(log))
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	late := time.After(20 * time.Second)
	for {
		if nc.IsConnected() {
			// a TLS server refuses after the handshake
			if err := nc.FlushTimeout(5 * time.Second); err != nil {
				continue
			}
			return ""
		}
		select {
		case <-failed:
			return log.String()
		case <-late:
			t.Fatal("nothing happens")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestCertificatesOfNATS: nats.tls.ca says which servers the node believes. The node proves itself with
// nats.tls.cert and nats.tls.key. The message about a wrong one names it.
func TestCertificatesOfNATS(t *testing.T) {
	ours, theirs := certtest.New(t), certtest.New(t)
	s := natstest.WithoutJetStream(t, server.Options{TLS: true, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{ours.Issue(t, "127.0.0.1")}, MinVersion: tls.VersionTLS12,
		ClientCAs: ours.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	right := bus.Server{URL: s.ClientURL(), CA: ours.File(t)}
	right.Cert, right.Key = ours.Files(t, t.TempDir(), "node")
	if why := reaches(t, right); why != "" {
		t.Errorf("it is not reached: %s", why)
	}
	foreign, foreignKey := theirs.Files(t, t.TempDir(), "node")
	for name, c := range map[string]struct {
		change func(*bus.Server)
		want   string
	}{
		"of another authority": {func(s *bus.Server) { s.CA = theirs.File(t) }, "nats.tls.ca"},
		"of the system's":      {func(s *bus.Server) { s.CA = "" }, "nats.tls.ca"},
		"no certificate":       {func(s *bus.Server) { s.Cert, s.Key = "", "" }, "nats.tls.cert"},
		"a foreign one":        {func(s *bus.Server) { s.Cert, s.Key = foreign, foreignKey }, "nats.tls.cert"},
		"another key":          {func(s *bus.Server) { s.Key = foreignKey }, "certificate"},
		"no authority in it":   {func(s *bus.Server) { s.CA = right.Key }, "root certificate"},
	} {
		at := right
		c.change(&at)
		if why := reaches(t, at); !strings.Contains(why, c.want) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestCredentialsOfNATS: nats.credentials is a user's JWT and seed. Credentials that the server's operator
// has not signed are refused, and named.
func TestCredentialsOfNATS(t *testing.T) {
	operator, account := must(nkeys.CreateOperator()), must(nkeys.CreateAccount())
	public := func(k nkeys.KeyPair) string { return must(k.PublicKey()) }
	claims := jwt.NewAccountClaims(public(account))
	text := must(claims.Encode(operator))
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(public(account), text); err != nil {
		t.Fatal(err)
	}
	trusted := must(jwt.DecodeOperatorClaims(must(jwt.NewOperatorClaims(public(operator)).Encode(operator))))
	s := natstest.WithoutJetStream(t, server.Options{TrustedOperators: []*jwt.OperatorClaims{trusted}, AccountResolver: resolver})
	creds := func(by nkeys.KeyPair, until time.Time) string {
		user := must(nkeys.CreateUser())
		u := jwt.NewUserClaims(public(user))
		u.Expires = until.Unix()
		token := must(u.Encode(by))
		file := must(jwt.FormatUserConfig(token, must(user.Seed())))
		return write(t, "user.creds", file)
	}
	hour := time.Now().Add(time.Hour)
	if why := reaches(t, bus.Server{URL: s.ClientURL(), Credentials: creds(account, hour)}); why != "" {
		t.Errorf("it is not reached: %s", why)
	}
	for name, file := range map[string]string{
		"none":           "",
		"of a stranger":  creds(must(nkeys.CreateAccount()), hour),
		"expired":        creds(account, time.Now().Add(-time.Minute)),
		"something else": write(t, "junk.creds", []byte("hello")),
	} {
		if why := reaches(t, bus.Server{URL: s.ClientURL(), Credentials: file}); !strings.Contains(why, "nats.credentials") {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
