package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// letsEncrypt is the directory of the authority that most people ask.
const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// maxHosts bounds the hosts of ACME, each of which has a certificate of its own.
const maxHosts = 32

// hostName matches names for which an authority issues certificates without further ado: no addresses, no
// wildcards.
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkACME looks at how certificates are got.
func (l *loader) checkACME() {
	c := &l.config.HTTP.ACME
	l.checkFile("http.acme.ca", c.CA)
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		l.fail("http.acme.directory", "is no address of an ACME directory, such as "+letsEncrypt)
	}
	if _, domain, ok := strings.Cut(c.Email, "@"); c.Email != "" && (!ok || domain == "" || strings.ContainsAny(c.Email, " ,<>?:")) {
		l.fail("http.acme.email", fmt.Sprintf("%q is no address, such as ops@example.org", c.Email))
	}
	if len(c.Hosts) == 0 {
		if c.Listen != "" {
			l.fail("http.acme.listen", "is for checking hosts, and http.acme.hosts has none")
		}
		return
	}
	seen := map[string]bool{}
	for i, host := range c.Hosts {
		host = strings.ToLower(host)
		c.Hosts[i] = host
		_, err := netip.ParseAddr(host)
		switch {
		case err == nil || len(host) > 253 || !hostName.MatchString(host):
			l.fail("http.acme.hosts", fmt.Sprintf("%q is no full host name, such as sfu.example.org: no address, no *, no port; xn-- for other letters", host))
		case seen[host]:
			l.fail("http.acme.hosts", host+" is there twice")
		}
		seen[host] = true
	}
	switch {
	case len(c.Hosts) > maxHosts:
		l.fail("http.acme.hosts", fmt.Sprintf("are more than %d", maxHosts))
	case !c.Agree:
		l.fail("http.acme.agree", "read the terms of the authority, which "+c.Directory+" names as termsOfService; if you agree, set it to true")
	}
}
