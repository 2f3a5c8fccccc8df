package whip

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	document "parlor/session/problem"
	"parlor/session/terms"
	"parlor/transport/negotiate"
)

// problem is what a client is told when something went wrong. It is an error.
type problem struct {
	status int
	code   terms.Code
	field  string // may be empty
	text   string
	after  time.Duration // when the same may be asked again; 0: that is not why
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.status, p.code, p.text) }

// asError is an error as package session counts it.
func asError(err error) error {
	var p *problem
	if errors.As(err, &p) {
		return &terms.Error{Code: p.code, Field: p.field, Text: p.text, RetryAfter: p.after}
	}
	return err
}

// badOffer is what is wrong with an offer: its form (RFC 9725 §4.2), or that the node takes nothing of it
// (§4.4.3).
func badOffer(err error) *problem {
	var e *negotiate.Error
	if errors.As(err, &e) && e.Unsupported {
		return badRequest(http.StatusUnprocessableEntity, "sdp", "%s", err)
	}
	return badRequest(http.StatusBadRequest, "sdp", "%s", err)
}

// badRequest is a problem of the request itself, before any room is concerned.
func badRequest(status int, field, format string, args ...any) *problem {
	return &problem{status: status, code: terms.CodeBadRequest, field: field, text: fmt.Sprintf(format, args...)}
}

// asProblem turns any error into what a stranger may read.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	e := terms.AsError(err)
	return &problem{status: document.Status(e), code: e.Code, field: e.Field, text: e.Text, after: e.RetryAfter}
}

// redirect sends a client whose room is on another node there (RFC 9725, section 4.4.1): to the same path and
// query at that node.
func redirect(w http.ResponseWriter, r *http.Request, err error) bool {
	var elsewhere *terms.ElsewhereError
	if !errors.As(err, &elsewhere) {
		return false
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", elsewhere.URL+r.URL.RequestURI())
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

func writeProblem(w http.ResponseWriter, p *problem) {
	document.Write(w, p.status, &terms.Error{Code: p.code, Field: p.field, Text: p.text, RetryAfter: p.after})
}
