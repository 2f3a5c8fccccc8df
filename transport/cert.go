package transport

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256" // registers SHA-256
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v3"

	"parlor/transport/negotiate"
)

// newCertificate makes the self-signed ECDSA P-256 certificate that the node shows in DTLS, and its
// fingerprint as in SDP. Clients check nothing of the certificate but the fingerprint.
func newCertificate(now time.Time) (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make DTLS key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make DTLS certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "parlor"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make DTLS certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der) // once, and not for every handshake
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make DTLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, "sha-256 " + fingerprintOf(crypto.SHA256, der), nil
}

// identityAge is how long new peers are shown the same certificate. A shorter time tells observers less about
// which node a client uses, and makes a stolen key useful for less. Each change costs a signature. The age is
// far below the certificate's year, so a peer, which keeps its certificate, can stay for months.
const identityAge = 7 * 24 * time.Hour

// identity is what the node shows to a peer, with the options for DTLS that all handshakes with it share.
type identity struct {
	fingerprint string // as in SDP: "sha-256 AA:…"
	made        time.Time
	server      []dtls.ServerOption
	client      []dtls.ClientOption
}

// serverSuites are those that an ECDSA certificate can serve.
var serverSuites = []dtls.CipherSuiteID{
	dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
}

func newIdentity(now time.Time) (*identity, error) {
	cert, print, err := newCertificate(now)
	if err != nil {
		return nil, err
	}
	profiles := make([]dtls.SRTPProtectionProfile, len(srtpProfiles))
	for i, sp := range srtpProfiles {
		profiles[i] = sp.dtls
	}
	id := &identity{
		fingerprint: print, made: now,
		// The cookie exchange is left out: only addresses that ICE has validated get this far.
		server: []dtls.ServerOption{
			dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true), dtls.WithCipherSuites(serverSuites...),
		},
	}
	for _, o := range []dtls.Option{
		dtls.WithCertificates(cert),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is what is verified
		dtls.WithLoggerFactory(noLogs),
	} {
		id.server, id.client = append(id.server, o), append(id.client, o)
	}
	id.client = append(id.client, dtls.WithFlightInterval(firstRetransmission))
	return id, nil
}

// firstRetransmission is how long the node waits for an answer to its ClientHello; each further wait is twice
// as long. Clients that wait for the ClientHello, such as FFmpeg's WHIP muxer, may lose the first one while
// they set up. The RFC's 1 s would be a second of their join. Shorter sends the message twice to clients that
// are merely far away.
const firstRetransmission = 100 * time.Millisecond

// newDTLS makes a DTLS connection with a client that has stated its fingerprints.
func (id *identity) newDTLS(conn *dtlsConn, client bool, stated []negotiate.Fingerprint) (*dtls.Conn, error) {
	verify := dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
		if len(raw) == 0 {
			return ErrFingerprint
		}
		return verifyFingerprint(raw[0], stated)
	})
	if client {
		return dtls.ClientWithOptions(conn, conn.RemoteAddr(), append(slices.Clip(id.client), verify)...)
	}
	return dtls.ServerWithOptions(conn, conn.RemoteAddr(), append(slices.Clip(id.server), verify)...)
}

// identities hands out the identity of the time.
type identities struct {
	mu  sync.Mutex
	now *identity
}

// at returns the identity for a new peer. With an error comes the one of before, if there is one.
func (s *identities) at(now time.Time) (*identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil && now.Sub(s.now.made) < identityAge {
		return s.now, nil
	}
	id, err := newIdentity(now)
	if err == nil {
		s.now = id
	}
	return s.now, err
}

// fingerprintHashes are the accepted hash functions, the strongest first.
var fingerprintHashes = []struct {
	name string
	hash crypto.Hash
}{{"sha-512", crypto.SHA512}, {"sha-384", crypto.SHA384}, {"sha-256", crypto.SHA256}}

func fingerprintOf(h crypto.Hash, der []byte) string {
	d := h.New()
	d.Write(der)
	text := strings.ToUpper(hex.EncodeToString(d.Sum(nil)))
	var b strings.Builder
	for i := 0; i < len(text); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(text[i : i+2])
	}
	return b.String()
}

// verifyFingerprint checks a certificate against what the offer states. Of several hash functions the
// strongest counts, and with it the certificate has to match one of the values (RFC 8122, section 5).
func verifyFingerprint(der []byte, stated []negotiate.Fingerprint) error {
	for _, h := range fingerprintHashes {
		known := false
		for _, f := range stated {
			if !strings.EqualFold(f.Algo, h.name) {
				continue
			}
			known = true
			if strings.EqualFold(f.Value, fingerprintOf(h.hash, der)) {
				return nil
			}
		}
		if known {
			return ErrFingerprint
		}
	}
	return ErrFingerprint
}
