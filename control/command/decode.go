package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"

	"parlor/session/terms"
)

// MaxRequest is the size in bytes of the largest command that is read.
const MaxRequest = 16 << 10

// fields maps the fields that session's errors name to those of commands.
var fields = map[string]string{
	"users": "UserIds", "user": "UserId", "ban": "BanSeconds", "reason": "Reason", "limit": "Limit", "prefix": "Prefix", "contains": "Contains", "order": "Order", "scene": "Scene", "block": "Block", "name": "Name", "metadata": "Metadata", "cmdId": "CmdId",
}

func bad(field, format string, args ...any) *terms.Error {
	return terms.Errorf(terms.CodeBadRequest, field, format, args...)
}

// decode reads a command strictly: one JSON object with known fields of the right types. An empty body is the
// empty object. Errors are bad_request and name the field.
func decode(data []byte, into any) error {
	if len(data) > MaxRequest {
		return bad("", "the request has %d bytes, more than %d", len(data), MaxRequest)
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil
	}
	if data[0] != '{' {
		return bad("", "the request is no JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return explain(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return bad("", "something follows the JSON object")
	}
	return checkNames(data, reflect.TypeOf(into).Elem())
}

// checkNames looks at what encoding/json lets through: fields named in other letters, and fields given twice.
// data is a valid object.
func checkNames(data []byte, t reflect.Type) error {
	known := map[string]bool{} // true: seen
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			known[name] = false
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	_, _ = d.Token() // the brace
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return explain(err)
		}
		name, _ := key.(string)
		switch seen, ok := known[name]; {
		case !ok:
			return bad(fieldName(name), "there is no such field")
		case seen:
			return bad(name, "it is given twice")
		}
		known[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return explain(err)
		}
	}
	return nil
}

// fieldName returns a field's name, which the caller has chosen, in a form that can be told.
func fieldName(name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	return strings.ToValidUTF8(name, "?")
}

// explain turns an error of encoding/json into one that a caller understands.
func explain(err error) *terms.Error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		field := wrongType.Field[strings.LastIndexByte(wrongType.Field, '.')+1:]
		return bad(field, "a JSON %s is not what belongs here", wrongType.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return bad(fieldName(strings.Trim(name, `"`)), "there is no such field")
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return bad("", "malformed JSON at byte %d", syntax.Offset)
	}
	return bad("", "malformed or truncated JSON")
}

// check returns an error if a request is for an application that is not here.
func (a Application) check(c *Commands) error {
	if a.SDKAppID == nil || c.o.Application != nil && c.o.Application(*a.SDKAppID) {
		return nil
	}
	return bad("SdkAppId", "there is no application %d among auth.keys; it can be left out", *a.SDKAppID)
}

// room returns the room that is meant. In the ...ByStrRoomId forms RoomId may hold the string.
func (r RoomRef) room(stringForm bool) (terms.RoomID, error) {
	hasNumber := r.hasNumber()
	switch {
	case hasNumber && r.StrRoomID != nil:
		return terms.RoomID{}, bad("StrRoomId", "only one of RoomId and StrRoomId can be given")
	case r.StrRoomID != nil:
		id, err := terms.StringRoom(*r.StrRoomID)
		return id, inField("StrRoomId", err)
	case !hasNumber && stringForm:
		return terms.RoomID{}, bad("StrRoomId", "the room is missing")
	case !hasNumber:
		return terms.RoomID{}, bad("RoomId", "the room is missing: RoomId (integer) or StrRoomId (string)")
	}
	var id terms.RoomID
	if err := json.Unmarshal(r.RoomID, &id); err != nil {
		return terms.RoomID{}, inField("RoomId", err)
	}
	_, isNumber := id.Number()
	switch {
	case isNumber && stringForm:
		return terms.RoomID{}, bad("RoomId", "this form of the command takes a string")
	case !isNumber && !stringForm:
		return terms.RoomID{}, bad("RoomId", "RoomId is an integer; a string goes into StrRoomId")
	}
	return id, nil
}

func (r RoomRef) hasNumber() bool { return len(r.RoomID) > 0 && string(r.RoomID) != "null" }

// given reports whether a room is named.
func (r RoomRef) given() bool { return r.hasNumber() || r.StrRoomID != nil }

// inField returns err, if any, as one of the given field.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	e := *terms.AsError(err)
	e.Field = field
	return &e
}

// named returns an error of session with the field as the command names it.
func named(err error, ref RoomRef) error {
	var e *terms.Error
	if !errors.As(err, &e) {
		return err
	}
	name, ok := fields[e.Field]
	switch {
	case ok:
	case e.Field == "room" && ref.StrRoomID != nil:
		name = "StrRoomId"
	case e.Field == "room":
		name = "RoomId"
	default:
		name = e.Field
	}
	return inField(name, e)
}
