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
	"strings"
	"time"

	"parlor/transport/negotiate"
)

// newCertificate makes the self-signed ECDSA P-256 certificate that the node shows in DTLS, and its fingerprint as in SDP.
// Clients check nothing of it but the fingerprint.
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
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, "sha-256 " + fingerprintOf(crypto.SHA256, der), nil
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

// verifyFingerprint checks a certificate against what the offer states. Of several hash functions the strongest counts, and
// with it the certificate has to match one of the values (RFC 8122, section 5).
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
