package adminhttp

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"parlor/control/command"
	"parlor/session/problem"
	"parlor/session/terms"
)

// document is the OpenAPI document, made once. It is made of the table of commands and the types of their
// requests and answers, and so says what they do.
var document = sync.OnceValues(makeDocument)

func serveDocument(w http.ResponseWriter, r *http.Request) {
	body, err := document()
	if err != nil { // of the types alone, so the package's tests have seen it
		problem.Write(w, http.StatusInternalServerError, terms.AsError(err))
		return
	}
	sum := sha256.Sum256(body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache") // but with the tag
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

type object = map[string]any

func makeDocument() ([]byte, error) {
	paths := object{}
	for _, s := range command.All() {
		request, err := schema(s.Request)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(string(s.Action), "ByStrRoomId") { // there RoomId may hold the name as well
			request.Properties["RoomId"] = request.Properties["StrRoomId"].CloneSchemas()
		}
		answer, err := schema(s.Response)
		if err != nil {
			return nil, err
		}
		paths[Path+string(s.Action)] = object{"post": object{
			"operationId": s.Action, "summary": s.Summary,
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": request}}},
			"responses": object{
				"200":     object{"description": "It is true now.", "content": object{"application/json": object{"schema": answer}}},
				"default": object{"$ref": "#/components/responses/problem"},
			},
		}}
	}
	failed, err := schema(reflect.TypeFor[problem.Document]())
	if err != nil {
		return nil, err
	}
	failed.AdditionalProperties = nil // which RFC 9457 allows
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Parlor: commands to a media node", "version": "1",
			"description": "The same commands as over NATS (sfu.v1.<Action>). Each is answered when what it asks is true, and repeating it does no harm.",
		},
		"paths": paths, "security": []object{{"admin": []string{}}},
		"components": object{
			"securitySchemes": object{"admin": object{
				"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
				"description": "A token with the right admin; not needed where the node has no keys. With a room it holds for that room only.",
			}},
			"responses": object{"problem": object{
				"description": "400 a bad request, 401 and 403 tokens and rights, 404 no such room, user or command, 413, 415, 503 the node is draining or has too much to do.",
				"content":     object{"application/problem+json": object{"schema": failed}},
			}},
		},
	})
}

// schema describes a type, with the bounds that its fields' names stand for.
func schema(t reflect.Type) (*jsonschema.Schema, error) {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): {Type: "integer", Minimum: new(1.0), Maximum: new(float64(terms.MaxRoomNumber))},
		reflect.TypeFor[terms.Scene]():     oneOf(terms.Call, terms.Live),
		reflect.TypeFor[terms.RoomOrder](): oneOf(terms.MostUsers, terms.MostPublishers, terms.MostPoor, terms.Newest),
		reflect.TypeFor[terms.Role]():      oneOf(terms.Anchor, terms.Audience),
		reflect.TypeFor[terms.Block]():     oneOf(terms.BlockNone, terms.BlockBoth, terms.BlockAudio, terms.BlockVideo),
		reflect.TypeFor[terms.Right]():     oneOf(terms.AllRights().List()...),
	}})
	if err != nil {
		return nil, err
	}
	tidy(s)
	entitle(s, t)
	mayBeEmpty(s, t)
	for name, p := range s.Properties {
		bound(name, p)
	}
	return s, nil
}

func oneOf[S ~string](values ...S) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// tidy takes back that lists and pointers may be null: none of ours is.
func tidy(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	if s.Items != nil {
		tidy(s.Items)
	}
	for _, p := range s.Properties {
		tidy(p)
	}
}

// entitle names the objects in a schema after their Go types, so that whoever makes code of the document has
// names for them.
func entitle(s *jsonschema.Schema, t reflect.Type) {
	switch {
	case s == nil:
	case t.Kind() == reflect.Slice:
		entitle(s.Items, t.Elem())
	case t.Kind() == reflect.Struct && s.Properties != nil:
		s.Title = t.Name()
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous {
				continue
			}
			entitle(s.Properties[name], f.Type)
		}
	}
}

// mayBeEmpty gives a length of at least 0 to texts that may be left out, or be there and be empty, which is
// something else.
func mayBeEmpty(s *jsonschema.Schema, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Type == reflect.TypeFor[*string]() {
			s.Properties[name].MinLength = new(0)
		}
	}
}

// bound gives a field of a request its bounds.
func bound(name string, s *jsonschema.Schema) {
	switch name {
	case "StrRoomId":
		s.MinLength, s.MaxLength = new(1), new(terms.MaxRoomName)
	case "UserId":
		s.MinLength, s.MaxLength = new(1), new(terms.MaxUserID)
	case "UserIds":
		s.MinItems, s.MaxItems = new(1), new(terms.MaxRemoveUsers)
		bound("UserId", s.Items)
	case "BanSeconds":
		s.Minimum, s.Maximum = new(0.0), new(terms.MaxBan.Seconds())
	case "DeadlineSeconds":
		s.Minimum, s.Maximum = new(0.0), new(command.MaxDrain.Seconds())
	case "CmdId":
		s.Minimum, s.Maximum = new(1.0), new(float64(terms.MaxCmdID))
	case "Data":
		s.ContentEncoding, s.MaxLength = "base64", new(base64.StdEncoding.EncodedLen(terms.MaxMessage))
	case "Contains", "Prefix":
		s.MaxLength = new(terms.MaxRoomName)
	case "Text":
		s.MaxLength = new(terms.MaxMessage)
	case "Reason":
		s.MaxLength = new(terms.MaxReasonText)
	case "Limit":
		s.Minimum, s.Maximum = new(0.0), new(float64(terms.MaxPage))
	}
}
