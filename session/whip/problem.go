package whip

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"parlor/session"
	"parlor/transport/negotiate"
)

// problem is what a client is told when something went wrong. It is an error.
type problem struct {
	status int
	code   session.Code
	field  string // may be empty
	text   string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.status, p.code, p.text) }

// badOffer is what is wrong with an offer: its form (RFC 9725 §4.2), or that the node takes nothing of it (§4.4.3).
func badOffer(err error) *problem {
	var e *negotiate.Error
	if errors.As(err, &e) && e.Unsupported {
		return badRequest(http.StatusNotAcceptable, "sdp", "%s", err)
	}
	return badRequest(http.StatusBadRequest, "sdp", "%s", err)
}

// badRequest is a problem of the request itself, before any room is concerned.
func badRequest(status int, field, format string, args ...any) *problem {
	return &problem{status: status, code: session.CodeBadRequest, field: field, text: fmt.Sprintf(format, args...)}
}

// statuses maps the codes of the session layer.
var statuses = map[session.Code]int{
	session.CodeBadRequest:     http.StatusBadRequest,
	session.CodeTokenInvalid:   http.StatusUnauthorized,
	session.CodeTokenExpired:   http.StatusUnauthorized,
	session.CodeNotAllowed:     http.StatusForbidden,
	session.CodeBanned:         http.StatusForbidden,
	session.CodeRoomFull:       http.StatusConflict,
	session.CodePublisherLimit: http.StatusConflict,
	session.CodeSceneMismatch:  http.StatusConflict,
	session.CodeRoomNotFound:   http.StatusNotFound,
	session.CodeUserNotFound:   http.StatusNotFound,
	session.CodeNodeDraining:   http.StatusServiceUnavailable,
}

// asProblem turns any error into what a stranger may read.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	e := session.AsError(err)
	p = &problem{status: statuses[e.Code], code: e.Code, field: e.Field, text: e.Text}
	switch {
	case p.status == 0:
		p.status = http.StatusInternalServerError
	case p.code == session.CodeRoomFull && p.field == "": // not the room, the node: another one, or later
		p.status = http.StatusServiceUnavailable
	}
	return p
}

// writeProblem writes the document of RFC 9457, with the members code and field of our own.
func writeProblem(w http.ResponseWriter, p *problem) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch p.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="parlor", error="invalid_token"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct { // the client may be gone; there is nobody else to tell
		Title  string       `json:"title"`
		Status int          `json:"status"`
		Detail string       `json:"detail,omitempty"`
		Code   session.Code `json:"code"`
		Field  string       `json:"field,omitempty"`
	}{http.StatusText(p.status), p.status, p.text, p.code, p.field})
}
