package natsapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"

	"parlor/session/natsapi"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sign makes a certificate, of an authority where there is none.
func sign(t *testing.T, by *authority, name string) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := c, key
	if by == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, signer = by.cert, by.key
	}
	return key, must(x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer))
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, der := sign(t, nil, name)
	cert := must(x509.ParseCertificate(der))
	return &authority{t, key, cert, write(t, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// issue makes a certificate with its key, in two files.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	k, der := sign(a.t, a, name)
	text := must(x509.MarshalECPrivateKey(k))
	return write(a.t, name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		write(a.t, name+".key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text}))
}

// reaches connects. It returns what is logged of why it does not succeed, "": it does.
func reaches(t *testing.T, at natsapi.Server) string {
	t.Helper()
	log := new(journal)
	failed := make(chan struct{}, 100)
	at.Failed = func(string) { failed <- struct{}{} }
	nc, err := natsapi.Connect(at, "test", zerolog.New(log))
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	late := time.After(20 * time.Second)
	for {
		if nc.IsConnected() {
			if err := nc.FlushTimeout(5 * time.Second); err != nil { // a TLS server refuses after the handshake
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

// TestCertificatesOfNATS: nats.tls.ca says whom the node believes, nats.tls.cert and key who it is; what is wrong with one names it.
func TestCertificatesOfNATS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	cert, key := ours.issue("server")
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	s := natsapi.ServerWithoutJetStream(t, server.Options{TLS: true, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(cert, key))}, MinVersion: tls.VersionTLS12,
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	right := natsapi.Server{URL: s.ClientURL(), CA: ours.file}
	right.Cert, right.Key = ours.issue("node")
	if why := reaches(t, right); why != "" {
		t.Errorf("it is not reached: %s", why)
	}
	foreign, foreignKey := theirs.issue("node")
	for name, c := range map[string]struct {
		change func(*natsapi.Server)
		want   string
	}{
		"of another authority": {func(s *natsapi.Server) { s.CA = theirs.file }, "nats.tls.ca"},
		"of the system's":      {func(s *natsapi.Server) { s.CA = "" }, "nats.tls.ca"},
		"no certificate":       {func(s *natsapi.Server) { s.Cert, s.Key = "", "" }, "nats.tls.cert"},
		"a foreign one":        {func(s *natsapi.Server) { s.Cert, s.Key = foreign, foreignKey }, "nats.tls.cert"},
		"another key":          {func(s *natsapi.Server) { s.Key = foreignKey }, "certificate"},
		"no authority in it":   {func(s *natsapi.Server) { s.CA = right.Key }, "root certificate"},
	} {
		at := right
		c.change(&at)
		if why := reaches(t, at); !strings.Contains(why, c.want) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestCredentialsOfNATS: nats.credentials is a user's JWT and seed; others than the server's operator has signed are refused, and named.
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
	s := natsapi.ServerWithoutJetStream(t, server.Options{TrustedOperators: []*jwt.OperatorClaims{trusted}, AccountResolver: resolver})
	creds := func(by nkeys.KeyPair, until time.Time) string {
		user := must(nkeys.CreateUser())
		u := jwt.NewUserClaims(public(user))
		u.Expires = until.Unix()
		token := must(u.Encode(by))
		file := must(jwt.FormatUserConfig(token, must(user.Seed())))
		return write(t, "user.creds", file)
	}
	hour := time.Now().Add(time.Hour)
	if why := reaches(t, natsapi.Server{URL: s.ClientURL(), Credentials: creds(account, hour)}); why != "" {
		t.Errorf("it is not reached: %s", why)
	}
	for name, file := range map[string]string{
		"none":           "",
		"of a stranger":  creds(must(nkeys.CreateAccount()), hour),
		"expired":        creds(account, time.Now().Add(-time.Minute)),
		"something else": write(t, "junk.creds", []byte("hello")),
	} {
		if why := reaches(t, natsapi.Server{URL: s.ClientURL(), Credentials: file}); !strings.Contains(why, "nats.credentials") {
			t.Errorf("%s: %q", name, why)
		}
	}
}
