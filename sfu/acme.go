package sfu

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"

	"parlor/acme"
	"parlor/config"
	"parlor/session/stranger"
)

// serverTLS returns what the HTTP listener shows; nil: it speaks no TLS.
func (b *builder) serverTLS(c *config.HTTP) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if c.TLS.Cert != "" {
		cert := &certificate{section: "http.tls", cert: c.TLS.Cert, key: c.TLS.Key}
		if err := b.n.certs.add(cert); err != nil {
			return nil, err
		}
		t.GetCertificate = cert.get
	}
	if len(c.ACME.Hosts) > 0 {
		m, err := b.acme(&c.ACME, t.GetCertificate)
		if err != nil {
			return nil, err
		}
		t.GetCertificate, t.NextProtos = m.Certificate, append(t.NextProtos, acme.Protocol)
	}
	if t.GetCertificate == nil {
		return nil, nil
	}
	return t, nil
}

// acme makes what gets certificates. other has one for other names; nil: nothing has.
func (b *builder) acme(c *config.ACME, other func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (*acme.Manager, error) {
	reach := http.DefaultTransport.(*http.Transport).Clone()
	reach.ForceAttemptHTTP2, reach.Protocols = false, onlyHTTP1()
	if c.CA != "" {
		by := &believed{key: "http.acme.ca", path: c.CA}
		if _, err := by.read(); err != nil {
			return nil, err
		}
		reach.TLSClientConfig = &tls.Config{RootCAs: by.pool.Load(), MinVersion: tls.VersionTLS12}
	}
	m, err := acme.New(acme.Options{
		Hosts: c.Hosts, Email: c.Email, Directory: c.Directory, Dir: c.StoreDir, Client: reach, Agent: "parlor/" + Version(),
		Plain: c.Listen != "", Other: other, Log: b.n.log,
	})
	if err != nil {
		return nil, &config.Error{Key: "http.acme.store_dir", Reason: err.Error()}
	}
	b.n.certs.mu.Lock()
	defer b.n.certs.mu.Unlock()
	b.n.certs.acme = m
	return m, nil
}

// challenges returns the part that serves port 80; nil: it is not configured.
func (b *builder) challenges(l net.Listener, budget *stranger.Budget) func(context.Context) error {
	if l == nil {
		return nil
	}
	never := func(*http.Request) bool { return false }
	paid := budget.Handler(b.n.certs.acme.Challenges(), never, never, never)
	return serving(newServer(paid, b.n.log), budget.Listen(l, nil, false))
}

// hostOf returns the host of ACME by which a listener on a port is reached; empty: there is none.
func hostOf(c *config.HTTP, port uint16) string {
	switch {
	case len(c.ACME.Hosts) == 0:
		return ""
	case port == 443:
		return c.ACME.Hosts[0]
	}
	return net.JoinHostPort(c.ACME.Hosts[0], strconv.Itoa(int(port)))
}
