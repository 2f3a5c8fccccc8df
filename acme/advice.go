package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// result is what has become of an order.
type result int

const (
	issued      result = iota // a certificate was got
	refused                   // the authority could not check the host, or does not issue for it
	limited                   // the authority has had too many orders
	unreachable               // the authority did not answer, or could not
	unkept                    // files could not be read or written
	results     = iota
)

func (r result) String() string {
	return [results]string{"issued", "refused", "limited", "unreachable", "unkept"}[r]
}

// verdict is what has failed.
type verdict struct {
	result result
	do     string
	wait   time.Duration // for at least how long the authority wants to hear nothing; 0: it has not said
}

// another is what to do if the answer at the host was not the right one.
const another = "somebody else answers under the host's name, or nobody: have it (A, AAAA) lead to this node alone, " +
	"and TCP port 443 to http.listen, or port 80 to http.acme.listen"

// problems are what to do about what authorities say (RFC 8555 section 6.7).
var problems = map[string]string{
	"dns":                     "have the host's name (A, AAAA) lead to this node; take names that do not out of http.acme.hosts",
	"connection":              "let the authority in: TCP port 443 of the host has to lead to http.listen, or port 80 to http.acme.listen",
	"tls":                     "port 443 of the host has to lead to http.listen without TLS being ended on the way; or set http.acme.listen, to which port 80 leads",
	"unauthorized":            another,
	"incorrectResponse":       another,
	"rejectedIdentifier":      "the authority issues nothing for this name: take it out of http.acme.hosts, or choose another authority (http.acme.directory)",
	"unsupportedIdentifier":   "the authority issues nothing for this name: take it out of http.acme.hosts, or choose another authority (http.acme.directory)",
	"caa":                     "the CAA record of the domain forbids this authority: change the record, or choose another authority (http.acme.directory)",
	"invalidContact":          "the authority does not take http.acme.email",
	"unsupportedContact":      "the authority does not take http.acme.email",
	"userActionRequired":      "the authority wants somebody to read its new terms: the error has the address",
	"externalAccountRequired": "the authority is for those with an account from elsewhere, which this node cannot show: choose another one (http.acme.directory)",
}

// judge says what has failed, and what to do about it.
func judge(err error) verdict {
	var files *storeError
	var path *fs.PathError
	if errors.As(err, &files) || errors.As(err, &path) {
		return verdict{result: unkept, do: "look at http.acme.store_dir: it has to be readable and writable; a file that is broken may be removed"}
	}
	if p := problem(err); p != nil {
		kind := p.ProblemType[strings.LastIndexByte(p.ProblemType, ':')+1:]
		if wait, ok := acme.RateLimit(p); ok {
			return verdict{limited, "wait; the authority allows no more for now. Try with its directory for tests first (http.acme.directory), and keep http.acme.store_dir", wait}
		}
		if p.StatusCode >= 500 {
			return verdict{result: unreachable, do: "wait; the authority has a fault"}
		}
		do := problems[kind]
		var check *acme.AuthorizationError
		switch {
		case do == "" && errors.As(err, &check):
			do = problems["connection"]
		case do == "":
			do = "the error has the authority's reason"
		}
		return verdict{result: refused, do: do}
	}
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return verdict{result: unreachable, do: "nobody knows by whom the certificate of the authority's own server is: say it by http.acme.ca"}
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{result: unreachable, do: "wait; the authority is slow. Look at the network, and at http.acme.directory"}
	}
	return verdict{result: unreachable, do: "look whether this machine reaches http.acme.directory, and whether that is one"}
}

// problem returns what the authority has said; nil: it has said nothing.
func problem(err error) *acme.Error {
	var p *acme.Error
	var check *acme.AuthorizationError
	var order *acme.OrderError
	switch {
	case errors.As(err, &check):
		for _, one := range check.Errors {
			if errors.As(one, &p) {
				return p
			}
		}
		return &acme.Error{Detail: err.Error()}
	case errors.As(err, &order):
		if order.Problem != nil {
			return order.Problem
		}
		return &acme.Error{Detail: err.Error()}
	case errors.As(err, &p):
		return p
	}
	return nil
}
