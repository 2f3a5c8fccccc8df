package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"parlor/control/adminhttp"
	"parlor/session/terms"
)

// model is what the packages know of nodes.
type model struct {
	commands []command
	objects  []*object
	event    *object
}

// command is one that a node carries out.
type command struct {
	action, summary string
	request, answer string // names of objects
}

// object is a JSON object.
type object struct {
	name   string
	fields []field
}

// field is a member of an object.
type field struct {
	name, doc string
	optional  bool
	typ       typ
}

// typ is the type of a field.
type typ struct {
	kind   string   // string, integer, number, boolean, array, map, object; room: a string or an integer
	enum   []string // of a string
	item   *typ     // of an array or a map
	object string   // its name
	empty  bool     // of a string: if it is there and empty, that is something else than if it is not there
}

// pairs is a JSON object in the order in which it is written.
type pairs []pair

type pair struct {
	key   string
	value json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *pairs) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("no object: %.40s", text)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var one pair
		one.key, _ = key.(string)
		if err := d.Decode(&one.value); err != nil {
			return err
		}
		*p = append(*p, one)
	}
	return nil
}

// schema is what the document says of a type.
type schema struct {
	Title, Type, Description string
	Enum                     []string
	MinLength                *int
	Items                    *schema
	Properties               pairs
	Required                 []string
	AdditionalProperties     json.RawMessage // false, or of a map the schema of its values
}

// operation is what the document says of a command.
type operation struct {
	Post struct {
		Summary     string
		RequestBody struct{ Content content }
		Responses   map[string]struct{ Content content }
	}
}

type content map[string]struct{ Schema schema }

// readModel reads the document, and the vocabulary of the feed.
func readModel(document []byte) (*model, error) {
	var doc struct{ Paths pairs }
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	m := &model{}
	for _, path := range doc.Paths {
		action, ok := strings.CutPrefix(path.key, adminhttp.Path)
		if !ok {
			return nil, fmt.Errorf("the document has the path %s", path.key)
		}
		var op operation
		if err := json.Unmarshal(path.value, &op); err != nil {
			return nil, fmt.Errorf("%s: %w", action, err)
		}
		c := command{action: action, summary: op.Post.Summary}
		var err error
		if c.request, err = m.top(action+"Request", op.Post.RequestBody.Content["application/json"].Schema); err != nil {
			return nil, err
		}
		if c.answer, err = m.top(action+"Response", op.Post.Responses["200"].Content["application/json"].Schema); err != nil {
			return nil, err
		}
		m.commands = append(m.commands, c)
	}
	m.event = eventObject()
	return m, nil
}

// top takes the object of a request or an answer. It has its own name, or if that is another's already, name.
func (m *model) top(name string, s schema) (string, error) {
	o, err := m.read(s)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if same := m.find(o.name); same != nil && !reflect.DeepEqual(same, o) {
		o.name = name
	}
	return o.name, m.add(o)
}

// add takes an object, which is no other of the same name.
func (m *model) add(o *object) error {
	switch same := m.find(o.name); {
	case same == nil:
		m.objects = append(m.objects, o)
	case !reflect.DeepEqual(same, o):
		return fmt.Errorf("there are two objects %s", o.name)
	}
	return nil
}

func (m *model) find(name string) *object {
	for _, o := range m.objects {
		if o.name == name {
			return o
		}
	}
	return nil
}

// read reads an object, and takes those in it.
func (m *model) read(s schema) (*object, error) {
	if s.Type != "object" || s.Title == "" {
		return nil, fmt.Errorf("no object with a title, but %+v", s)
	}
	o := &object{name: s.Title}
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	for _, p := range s.Properties {
		var of schema
		if err := json.Unmarshal(p.value, &of); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", o.name, p.key, err)
		}
		t, err := m.typeOf(of)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", o.name, p.key, err)
		}
		o.fields = append(o.fields, field{name: p.key, doc: of.Description, optional: !required[p.key], typ: t})
	}
	return o, nil
}

func (m *model) typeOf(s schema) (typ, error) {
	t := typ{kind: s.Type, enum: s.Enum, empty: s.MinLength != nil && *s.MinLength == 0}
	switch s.Type {
	case "string", "integer", "number", "boolean":
	case "array":
		item, err := m.typeOf(*s.Items)
		if err != nil {
			return t, err
		}
		t.item = &item
	case "object":
		if bytes.HasPrefix(s.AdditionalProperties, []byte("{")) && s.Title == "" {
			return m.mapOf(s)
		}
		o, err := m.read(s)
		if err != nil {
			return t, err
		}
		t.object = o.name
		return t, m.add(o)
	default:
		return t, fmt.Errorf("a field of the type %q is not known here", s.Type)
	}
	return t, nil
}

// mapOf reads an object whose names are not known before.
func (m *model) mapOf(s schema) (typ, error) {
	var of schema
	if err := json.Unmarshal(s.AdditionalProperties, &of); err != nil {
		return typ{}, err
	}
	item, err := m.typeOf(of)
	return typ{kind: "map", item: &item}, err
}

// eventObject is an event of the feed, as webhooks bring it.
func eventObject() *object {
	o := &object{name: "FeedEvent"}
	t := reflect.TypeFor[terms.FeedEvent]()
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		of := field{name: name, optional: strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")}
		switch {
		case f.Type == reflect.TypeFor[terms.RoomID]():
			of.typ.kind = "room"
		case f.Type.Kind() == reflect.String:
			of.typ.kind = "string"
		default:
			of.typ.kind = "integer"
		}
		o.fields = append(o.fields, of)
	}
	return o
}

// words splits a name into its words, in lower case: RemoveUser, user-left, send_audio.
func words(name string) []string {
	var out []string
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' }) {
		from := 0
		for i, r := range part {
			if i > from && unicode.IsUpper(r) {
				out, from = append(out, strings.ToLower(part[from:i])), i
			}
		}
		out = append(out, strings.ToLower(part[from:]))
	}
	return out
}

func snake(name string) string { return strings.Join(words(name), "_") }

func upper(name string) string { return strings.ToUpper(snake(name)) }

// lowerFirst is the name of a method in JavaScript.
func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// wrap breaks a text into lines of at most 106 columns, each behind a prefix.
func wrap(prefix, text string) string {
	var b strings.Builder
	line := prefix
	for _, word := range strings.Fields(text) {
		if len([]rune(line))+1+len([]rune(word)) > 106 && line != prefix {
			b.WriteString(line + "\n")
			line = prefix
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}
