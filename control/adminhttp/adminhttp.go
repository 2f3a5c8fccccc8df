// Package adminhttp is the door of a node's commands to HTTP: POST /admin/v1/<Action> with a JSON object. GET
// /admin/v1/openapi.json is the document of that.
//
//	adminhttp.go  Handler: who may, what is read, what is answered
//	client.go     Client: commands, from Go
//	openapi.go    the OpenAPI document, made of the Go types
//
// A caller shows a token with the right admin, by `Authorization: Bearer`, at every call. A token for a
// certain room holds for commands on that room only. There are no cookies, so that a page of elsewhere could
// do nothing with a browser's rights. Such requests are refused all the same, for the nodes that ask for no
// token.
package adminhttp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"parlor/control/command"
	"parlor/session/problem"
	"parlor/session/refusal"
	"parlor/session/remote"
	"parlor/session/terms"
	"parlor/tracing"
)

// Path begins the paths of this door.
const Path = "/admin/v1/"

const (
	// maxCommands is how many commands are carried out at a time; more are refused. Commands wait for slow
	// clients, not for the machine, so higher costs little.
	maxCommands = 256
	// commandTime bounds a command; with session's own bounds it is never reached.
	commandTime = 10 * time.Second
)

// Keys tell who may give commands.
type Keys interface {
	// Open reports whether there is no key, so that no token is asked for.
	Open() bool
	// Parse verifies a token and returns what it grants.
	Parse(token string) (terms.Grant, error)
}

// handler answers commands.
type handler struct {
	commands *command.Commands
	keys     Keys
	log      zerolog.Logger
	foreign  *http.CrossOriginProtection
	refusals *refusal.Log
	trace    *tracing.Tracer
	slots    chan struct{} // one for each command under way
}

// New returns the handler of everything below Path. refusals is told of callers that may give no command;
// nil: nobody is. Commands go on with the traces of callers that may give them; t may be nil.
func New(c *command.Commands, k Keys, log zerolog.Logger, refusals *refusal.Log, t *tracing.Tracer) http.Handler {
	h := &handler{
		commands: c, keys: k, log: log, refusals: refusals, trace: t,
		foreign: http.NewCrossOriginProtection(), slots: make(chan struct{}, maxCommands),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Path+"{action}", h.command)
	mux.HandleFunc("GET "+Path+"openapi.json", serveDocument)
	mux.HandleFunc(Path, h.nothing)
	return mux
}

// nothing answers whatever is neither a command nor the document.
func (h *handler) nothing(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Path)
	if command.Action(name).Known() {
		w.Header().Set("Allow", http.MethodPost)
		problem.Write(w, http.StatusMethodNotAllowed, bad("", "a command is given by POST"))
		return
	}
	problem.Write(w, http.StatusNotFound, terms.AsError(command.Unknown(command.Action(name))))
}

func bad(field, format string, args ...any) *terms.Error {
	return terms.Errorf(terms.CodeBadRequest, field, format, args...)
}

func (h *handler) command(w http.ResponseWriter, r *http.Request) {
	a := command.Action(r.PathValue("action"))
	commands, err := h.admit(r)
	if err != nil {
		h.refusals.Note(refusal.Refusal{Door: "admin", From: remote.Of(r).Addr, Err: err})
		h.refuse(w, a, problem.Status(err), err)
		return
	}
	if !a.Known() {
		h.nothing(w, r)
		return
	}
	request, status, err := read(w, r)
	if err != nil {
		h.refuse(w, a, status, err)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		h.refuse(w, a, http.StatusServiceUnavailable, terms.Errorf(terms.CodeInternal, "", "too many commands at once; it may be repeated"))
		return
	}
	ctx, cancel := context.WithTimeout(h.trace.Join(r.Context(), r.Header.Get), commandTime)
	defer cancel()
	answer, failed := commands.Do(ctx, a, request)
	if failed != nil {
		err := terms.AsError(failed)
		if err.Code == terms.CodeInternal {
			h.log.Warn().Err(failed).Str("action", string(a)).Msg("command failed")
		}
		h.refuse(w, a, problem.Status(err), err)
		return
	}
	body, failed := json.Marshal(answer)
	if failed != nil {
		h.log.Error().Err(failed).Str("action", string(a)).Msg("a command's answer cannot be written")
		h.refuse(w, a, http.StatusInternalServerError, terms.AsError(failed))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

// admit returns what the caller may command.
func (h *handler) admit(r *http.Request) (*command.Commands, *terms.Error) {
	if err := h.foreign.Check(r); err != nil {
		return nil, terms.Errorf(terms.CodeNotAllowed, "Origin", "pages of other origins may give no commands")
	}
	if h.keys.Open() {
		return h.commands, nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	g, err := h.keys.Parse(strings.TrimSpace(token))
	switch {
	case err != nil:
		return nil, terms.AsError(err)
	case !g.Rights.Has(terms.RightAdmin):
		return nil, terms.Errorf(terms.CodeNotAllowed, "token", "this needs the right %s", terms.RightAdmin)
	}
	return h.commands.Within(g.Room), nil
}

// read returns the request's body, or an error and its status.
func read(w http.ResponseWriter, r *http.Request) ([]byte, int, *terms.Error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, http.StatusUnsupportedMediaType, bad("Content-Type", "a command is application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, command.MaxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge, bad("", "the request has more than %d bytes", command.MaxRequest)
	case err != nil:
		return nil, http.StatusBadRequest, bad("", "the request did not arrive as a whole")
	}
	return body, 0, nil
}

func (h *handler) refuse(w http.ResponseWriter, a command.Action, status int, e *terms.Error) {
	h.log.Debug().Err(e).Str("action", string(a)).Msg("command refused")
	problem.Write(w, status, e)
}
