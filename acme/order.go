package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// requestTime bounds a request to the authority.
const requestTime = 45 * time.Second

// retries is how often a request is sent again that the authority could not serve for the moment.
const retries = 3

// again says when a request is sent again. One that came too often is not: the whole order waits then.
func again(n int, _ *http.Request, res *http.Response) time.Duration {
	switch {
	case n > retries || res.StatusCode == http.StatusTooManyRequests:
		return -1
	case res.StatusCode == http.StatusBadRequest: // the nonce had been used up, and there is another one
		return 10 * time.Millisecond
	}
	return time.Duration(n) * time.Second
}

// account returns a client with an account at the authority.
func (m *Manager) account(ctx context.Context) (*acme.Client, error) {
	if m.client != nil {
		return m.client, nil
	}
	key, err := m.store.account()
	if err != nil {
		return nil, &storeError{err}
	}
	c := &acme.Client{
		Key: key, DirectoryURL: m.o.Directory, UserAgent: m.o.Agent, RetryBackoff: again,
		HTTPClient: &http.Client{Transport: m.o.Client, Timeout: requestTime},
	}
	who := &acme.Account{}
	if m.o.Email != "" {
		who.Contact = []string{"mailto:" + m.o.Email}
	}
	if _, err := c.Register(ctx, who, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, fmt.Errorf("account: %w", err)
	}
	m.client = c
	return c, nil
}

// order gets a certificate. kind is how the authority is to check the host.
func (m *Manager) order(ctx context.Context, name, kind string) (*tls.Certificate, error) {
	c, err := m.account(ctx)
	if err != nil {
		return nil, err
	}
	o, err := c.AuthorizeOrder(ctx, acme.DomainIDs(name))
	if err != nil {
		if p := problem(err); p != nil && strings.HasSuffix(p.ProblemType, ":accountDoesNotExist") {
			m.client = nil // another one is made with the next order
		}
		return nil, fmt.Errorf("order: %w", err)
	}
	for _, url := range o.AuthzURLs {
		if err := m.authorize(ctx, c, url, name, kind); err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
	}
	if o, err = c.WaitOrder(ctx, o.URI); err != nil {
		return nil, fmt.Errorf("order: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	chain, _, err := c.CreateCertFromOrder(ctx, o, request, true)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return usable(name, tls.Certificate{Certificate: chain, PrivateKey: key})
}

// authorize has the authority check a host.
func (m *Manager) authorize(ctx context.Context, c *acme.Client, url, name, kind string) error {
	z, err := c.GetAuthorization(ctx, url)
	if err != nil {
		return err
	}
	if z.Status == acme.StatusValid { // it was checked not long ago
		return nil
	}
	for _, challenge := range z.Challenges {
		if challenge.Type != kind {
			continue
		}
		done, err := m.prepare(c, challenge, name)
		if err != nil {
			return err
		}
		defer done()
		if _, err := c.Accept(ctx, challenge); err != nil {
			return err
		}
		_, err = c.WaitAuthorization(ctx, z.URI)
		return err
	}
	return errors.New("the authority does not check hosts in this way")
}

// prepare has the answer to a challenge ready until the function returned is called.
func (m *Manager) prepare(c *acme.Client, challenge *acme.Challenge, name string) (done func(), err error) {
	if challenge.Type == "http-01" {
		text, err := c.HTTP01ChallengeResponse(challenge.Token)
		if err != nil {
			return nil, err
		}
		return m.answer(name, nil, c.HTTP01ChallengePath(challenge.Token), text), nil
	}
	cert, err := c.TLSALPN01ChallengeCert(challenge.Token, name)
	if err != nil {
		return nil, err
	}
	return m.answer(name, &cert, "", ""), nil
}

// usable returns a certificate with its leaf, if it is one of the host and its key is the right one.
func usable(name string, c tls.Certificate) (*tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil, err
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return nil, err
	}
	key, ok := c.PrivateKey.(*ecdsa.PrivateKey)
	if public, same := leaf.PublicKey.(*ecdsa.PublicKey); !ok || !same || !public.Equal(key.Public()) {
		return nil, errors.New("the certificate is not one of the key")
	}
	c.Leaf = leaf
	return &c, nil
}
