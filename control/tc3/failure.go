package tc3

import (
	"fmt"

	"parlor/session/terms"
)

// failure is an error in the form of that API.
type failure struct {
	Code    string
	Message string

	refused terms.Code // why the caller may give no command; empty: it may
}

// fail returns an error about a request.
func fail(code, format string, args ...any) *failure {
	return &failure{Code: code, Message: fmt.Sprintf(format, args...)}
}

// deny returns an error about who has made a request.
func deny(why terms.Code, code, format string, args ...any) *failure {
	f := fail(code, format, args...)
	f.refused = why
	return f
}

// failed is an error of a command in the form of that API. What is wrong with a field has its name behind a dot.
func failed(err error) *failure {
	e := terms.AsError(err)
	switch e.Code {
	case terms.CodeBadRequest:
		return inField("InvalidParameter", e.Field, "%s", e.Text)
	case terms.CodeRoomNotFound:
		return fail("FailedOperation.RoomNotExist", "%s", e.Text)
	case terms.CodeUserNotFound:
		return fail("FailedOperation.UserNotExist", "%s", e.Text)
	case terms.CodeInternal:
		return fail("InternalError", "%s", e.Text)
	default:
		return fail("FailedOperation", "%s: %s", e.Code, e.Text)
	}
}

// inField is an error about a field.
func inField(code, field, format string, args ...any) *failure {
	f := fail(code, format, args...)
	if field != "" {
		f.Code += "." + field
		f.Message = field + ": " + f.Message
	}
	return f
}
