package signal

import (
	"bytes"
	"encoding/json"
	"errors"

	"parlor/session"
	"parlor/session/terms"
)

// The wire forms of docs/protocol.md. Pointers tell a missing field from an empty one.

// envelope is what every request has.
type envelope struct {
	Type string `json:"type"`
	ID   *int64 `json:"id"`

	opening *opening // of a client that has not entered
}

// opening is every field that a client may send that has not entered, so that a message of such a client is
// read once.
type opening struct {
	Type string `json:"type"`
	ID   *int64 `json:"id"`

	// Of enter.
	Room  terms.RoomID `json:"room"`
	User  string       `json:"user"`
	Token string       `json:"token"`
	Role  terms.Role   `json:"role"`
	Scene terms.Scene  `json:"scene"`

	DownlinkKbps int `json:"downlinkKbps"`

	Name     *string `json:"name"`
	Metadata *string `json:"metadata"`

	// Of resume.
	Node    string `json:"node"` // that the session is of; empty: this one
	Session string `json:"session"`
	Key     string `json:"key"`
	LastSeq uint64 `json:"lastSeq"`
}

type offerRequest struct {
	SDP     string             `json:"sdp"`
	Publish map[string]string  `json:"publish"`
	Seats   []session.SeatPlan `json:"seats"`
	Fresh   bool               `json:"fresh"`
}

type seatRequest struct {
	Seat    string        `json:"seat"`
	User    *string       `json:"user"` // null: nobody
	Video   *string       `json:"video"`
	Audio   *string       `json:"audio"`
	Quality terms.Quality `json:"quality"`
	Width   *int          `json:"width"` // both or neither
	Height  *int          `json:"height"`
}

type sizesRequest struct {
	Seats []session.SeatSize `json:"seats"`
}

type publishRequest struct {
	Source terms.Source `json:"source"`
	On     *bool        `json:"on"`
}

type volumeRequest struct {
	IntervalMS *int64 `json:"intervalMs"`
}

type statisticsRequest struct {
	On *bool `json:"on"`
}

type roleRequest struct {
	Role terms.Role `json:"role"`
}

type tokenRequest struct {
	Token string `json:"token"`
}

type profileRequest struct {
	Name     *string `json:"name"`
	Metadata *string `json:"metadata"`
}

type messageRequest struct {
	CmdID    int     `json:"cmdId"`
	Data     *string `json:"data"`     // base64
	Reliable *bool   `json:"reliable"` // without it true
	N        uint64  `json:"n"`        // rises; one that was sent before is not sent again
}

type pingRequest struct {
	Ack uint64 `json:"ack"`
}

type exitBeacon struct {
	Session string `json:"session"`
	Key     string `json:"key"`
}

// answer is what every answer has.
type answer struct {
	Type string `json:"type"`
	Re   *int64 `json:"re,omitempty"`
}

type enteredAnswer struct {
	answer
	terms.Entered
}

type sdpAnswer struct {
	answer
	SDP string `json:"sdp"`
}

type tokenAnswer struct {
	answer
	Rights      terms.Rights   `json:"rights"`
	ExpiresInMS int64          `json:"expiresInMs,omitempty"`
	Stopped     []terms.Source `json:"stopped,omitempty"`
	Emptied     []string       `json:"emptied,omitempty"`
}

type profileAnswer struct {
	answer
	Name     string `json:"name"`
	Metadata string `json:"metadata"`
}

type iceAnswer struct {
	answer
	ICEServers     []terms.ICEServer `json:"iceServers,omitempty"`
	ICEExpiresInMS int64             `json:"iceExpiresInMs,omitempty"`
}

// redirectAnswer is in place of `entered` or `resumed`.
type redirectAnswer struct {
	answer
	Node string `json:"node"`
	URL  string `json:"url"`
}

type errorAnswer struct {
	answer
	Code    terms.Code `json:"code"`
	Field   string     `json:"field,omitempty"`
	Message string     `json:"message"`
	// RetryAfterMS is when the same may be asked again, in milliseconds.
	RetryAfterMS int64 `json:"retryAfterMs,omitempty"`
}

// source reads a source that stands in the given field; nil is none.
func source(field string, name *string) (terms.Source, error) {
	if name == nil {
		return terms.NoSource, nil
	}
	s, err := terms.ParseSource(*name)
	switch {
	case err != nil:
		return s, terms.Errorf(terms.CodeBadRequest, field, "%s", terms.AsError(err).Text)
	case s == terms.NoSource:
		return s, terms.Errorf(terms.CodeBadRequest, field, "a source is not empty; null is none")
	}
	return s, nil
}

// decode reads one JSON object. Unknown fields are ignored. Anything else that does not fit is a bad_request
// that names the field.
func decode(raw []byte, into any) error {
	if b := bytes.TrimLeft(raw, " \t\r\n"); len(b) == 0 || b[0] != '{' {
		return terms.Errorf(terms.CodeBadRequest, "", "a message is a JSON object")
	}
	err := json.Unmarshal(raw, into)
	if err == nil {
		return nil
	}
	var own *terms.Error
	if errors.As(err, &own) {
		return own
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return terms.Errorf(terms.CodeBadRequest, wrong.Field, "a JSON %s does not fit here", wrong.Value)
	}
	return terms.Errorf(terms.CodeBadRequest, "", "not valid JSON: %s", err)
}
