package terms

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable name of an error, as clients and commands see it. A Code is itself an error, so that
// errors.Is(err, terms.CodeNotAllowed) tells kinds apart.
type Code string

// The codes. They are part of the protocol.
const (
	CodeBadRequest     Code = "bad_request"
	CodeTokenInvalid   Code = "token_invalid"
	CodeTokenExpired   Code = "token_expired"
	CodeNotAllowed     Code = "not_allowed"
	CodeRoomFull       Code = "room_full"
	CodePublisherLimit Code = "publisher_limit"
	CodeMessageLimit   Code = "message_limit"
	CodeSceneMismatch  Code = "scene_mismatch"
	CodeBanned         Code = "banned"
	CodeNodeDraining   Code = "node_draining"
	CodeRoomNotFound   Code = "room_not_found"
	CodeUserNotFound   Code = "user_not_found"
	CodeInternal       Code = "internal"
)

// Error returns the code's name.
func (c Code) Error() string { return string(c) }

// Error is what functions return when a caller or its client is to be told why. Text is for people and
// names nothing secret.
type Error struct {
	Code  Code
	Field string // the field of the request that is at fault; may be empty
	Text  string
	// RetryAfter is when the same may be asked again, if it was asked too often; 0: that is not why.
	RetryAfter time.Duration
}

// Errorf makes an Error.
func Errorf(c Code, field, format string, args ...any) *Error {
	return &Error{Code: c, Field: field, Text: fmt.Sprintf(format, args...)}
}

// Error returns code, field and text.
func (e *Error) Error() string {
	switch {
	case e.Field == "" && e.Text == "":
		return string(e.Code)
	case e.Field == "":
		return string(e.Code) + ": " + e.Text
	}
	return string(e.Code) + ": " + e.Field + ": " + e.Text
}

// Is reports whether target is the error's Code.
func (e *Error) Is(target error) bool { return target == e.Code }

// AsError returns err as an *Error. If err is one, that is itself; otherwise CodeInternal with a text that
// tells a stranger nothing.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Text: "something went wrong on the node"}
}

// ElsewhereError says that a room is on another node, at which a user is to enter.
type ElsewhereError struct {
	Node string // its id
	URL  string // its base URL for clients, without a slash at the end
}

// Error names the node and its URL.
func (e *ElsewhereError) Error() string { return "the room is on node " + e.Node + ", at " + e.URL }
