// Package problem is how the HTTP doors tell what went wrong: the documents of RFC 9457, with the members
// code and field of our own.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"parlor/session/terms"
)

// statuses maps the codes of the session layer. What is missing is the node's fault.
var statuses = map[terms.Code]int{
	terms.CodeBadRequest:     http.StatusBadRequest,
	terms.CodeTokenInvalid:   http.StatusUnauthorized,
	terms.CodeTokenExpired:   http.StatusUnauthorized,
	terms.CodeNotAllowed:     http.StatusForbidden,
	terms.CodeBanned:         http.StatusForbidden,
	terms.CodeRoomFull:       http.StatusConflict,
	terms.CodePublisherLimit: http.StatusConflict,
	terms.CodeSceneMismatch:  http.StatusConflict,
	terms.CodeRoomNotFound:   http.StatusNotFound,
	terms.CodeUserNotFound:   http.StatusNotFound,
	terms.CodeNodeDraining:   http.StatusServiceUnavailable,
}

// Status returns the HTTP status that an error is answered with.
func Status(e *terms.Error) int {
	switch s, ok := statuses[e.Code]; {
	case e.RetryAfter > 0:
		return http.StatusTooManyRequests
	case !ok:
		return http.StatusInternalServerError
	case e.Code == terms.CodeRoomFull && e.Field == "": // not the room, the node: another one, or later
		return http.StatusServiceUnavailable
	default:
		return s
	}
}

// Document is the body of an error answer.
type Document struct {
	Title  string     `json:"title" jsonschema:"the status in words"`
	Status int        `json:"status" jsonschema:"the HTTP status"`
	Detail string     `json:"detail,omitempty" jsonschema:"what is wrong, for people"`
	Code   terms.Code `json:"code" jsonschema:"what is wrong, a stable name"`
	Field  string     `json:"field,omitempty" jsonschema:"the field of the request that is at fault"`
}

// Write answers with an error under the given status.
func Write(w http.ResponseWriter, status int, e *terms.Error) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch status {
	case http.StatusUnauthorized:
		if h.Get("WWW-Authenticate") == "" { // the caller may know better
			h.Set("WWW-Authenticate", `Bearer realm="parlor", error="invalid_token"`)
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(status)
	j := json.NewEncoder(w)
	j.SetEscapeHTML(false)
	// The client may be gone; there is nobody else to tell.
	_ = j.Encode(Document{Title: http.StatusText(status), Status: status, Detail: e.Text, Code: e.Code, Field: e.Field})
}
