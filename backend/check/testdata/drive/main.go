// Command drive does with the Go package what it is told on standard input, one JSON object a line.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"time"

	"parlor/backend"
)

type task struct {
	Do      string
	Grant   map[string]any
	Key     string
	Now     float64
	Action  string
	Request json.RawMessage
	URL     string
	Header  string
	Body    string
	Keys    []string
}

type result map[string]any

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var t task
		if in.Decode(&t) != nil {
			return
		}
		r, err := work(t)
		if err != nil {
			r = result{"error": describe(err)}
		}
		if out.Encode(r) != nil {
			return
		}
	}
}

func work(t task) (result, error) {
	now := time.UnixMilli(int64(t.Now * 1000))
	switch t.Do {
	case "token":
		key, err := backend.ParseKey(t.Key)
		if err != nil {
			return nil, err
		}
		g, err := grantOf(t.Grant, now)
		if err != nil {
			return nil, err
		}
		token, err := key.Token(g, now)
		return result{"token": token}, err
	case "webhook":
		var keys [][]byte
		for _, k := range t.Keys {
			keys = append(keys, []byte(k))
		}
		e, err := backend.VerifyWebhook(t.Header, []byte(t.Body), now, keys...)
		return result{"event": e}, err
	case "command":
		return command(t)
	}
	return result{"commands": commands(), "event": fields(reflect.TypeFor[backend.FeedEvent]())}, nil
}

// grantOf fills a Grant by the names of claims. The time that a token holds for is given as expires, in seconds.
func grantOf(claims map[string]any, now time.Time) (g backend.Grant, err error) {
	v := reflect.ValueOf(&g).Elem()
	for name, value := range claims {
		if name == "expires" {
			g.Expires = now.Add(time.Duration(value.(float64)) * time.Second)
			continue
		}
		f := v.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		if !f.IsValid() {
			return g, errors.New("there is no claim " + name)
		}
		text, _ := json.Marshal(value)
		if err := json.Unmarshal(text, f.Addr().Interface()); err != nil {
			return g, err
		}
	}
	return g, nil
}

// command calls the typed method of a command.
func command(t task) (result, error) {
	node := &backend.Node{URL: t.URL}
	if t.Key != "" {
		key, err := backend.ParseKey(t.Key)
		if err != nil {
			return nil, err
		}
		node.Key = key
	}
	method := reflect.ValueOf(node).MethodByName(strings.ReplaceAll(t.Action, "Id", "ID"))
	if !method.IsValid() {
		return nil, errors.New("there is no method for " + t.Action)
	}
	request := reflect.New(method.Type().In(1))
	d := json.NewDecoder(bytes.NewReader(t.Request))
	d.DisallowUnknownFields()
	if err := d.Decode(request.Interface()); err != nil {
		return nil, err
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), request.Elem()})
	if err, failed := out[1].Interface().(error); failed {
		return nil, err
	}
	return result{"answer": out[0].Interface()}, nil
}

// commands are those that have a method, with the fields of their requests and answers.
func commands() map[string]any {
	all := map[string]any{}
	t := reflect.TypeFor[*backend.Node]()
	for i := range t.NumMethod() {
		m := t.Method(i)
		if m.Name != "Do" {
			all[strings.ReplaceAll(m.Name, "ID", "Id")] = map[string]any{"request": fields(m.Type.In(2)), "answer": fields(m.Type.Out(0))}
		}
	}
	return all
}

// fields are the fields of an object, each with those in it.
func fields(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	all := map[string]any{}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[backend.RoomRef]() {
		return all
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		all[name] = fields(t.Field(i).Type)
	}
	return all
}

func describe(err error) map[string]any {
	var e *backend.Error
	switch {
	case errors.As(err, &e):
		return map[string]any{"code": e.Code, "field": e.Field, "status": e.Status, "message": e.Message, "retryAfter": e.RetryAfter.Seconds()}
	case errors.Is(err, backend.ErrSignature):
		return map[string]any{"code": "signature_invalid"}
	case errors.Is(err, backend.ErrTooOld):
		return map[string]any{"code": "signature_expired"}
	}
	return map[string]any{"code": "bad_request", "message": err.Error()}
}
