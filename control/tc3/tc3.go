// Package tc3 is the door of a node's commands to back ends that were written for another RTC engine: its REST
// actions (API 3.0, service trtc, version 2019-07-22), with its envelope, errors and signature. A back end keeps
// its SDK, and sets another endpoint and key.
//
//	tc3.go        Handler: who may, what is read, what is answered
//	signature.go  TC3-HMAC-SHA256: reading and verifying
//	action.go     the actions, and the commands that they are here
//	failure.go    errors, by the codes of that API
//
// A request is POST / with the action in X-TC-Action. Its signature is by a pair of SecretId and SecretKey, over
// the body, Content-Type, Host and a time that is at most five minutes away. There are no cookies, so that a page
// of elsewhere could do nothing with a browser's rights.
package tc3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"parlor/control/command"
	"parlor/session/refusal"
	"parlor/session/remote"
	"parlor/session/terms"
	"parlor/tracing"
)

const (
	actionHeader = "X-TC-Action" // names the action of a request
	version      = "2019-07-22"  // of that API, whose actions these are
)

const (
	// maxCommands is how many commands are carried out at a time; more are refused. Commands wait for slow
	// clients, not for the machine, so higher costs little.
	maxCommands = 256
	// commandTime bounds a command; with session's own bounds it is never reached.
	commandTime = 10 * time.Second
)

// Commands carry out commands, see command.Commands.Do.
type Commands interface {
	Do(ctx context.Context, a command.Action, request []byte) (any, error)
}

// Options of a handler.
type Options struct {
	Commands Commands
	Keys     map[string][]byte // SecretKey by SecretId
	// Application reports whether there is an application of that number.
	Application func(sdkAppID uint32) bool
	Now         func() time.Time
	Log         zerolog.Logger
	Refusals    *refusal.Log    // is told of callers that may give no command; nil: nobody is
	Trace       *tracing.Tracer // nil: none
}

// handler answers actions.
type handler struct {
	o     Options
	slots chan struct{} // one for each command under way
}

// New returns the handler of POST /. It is safe for concurrent use.
func New(o Options) http.Handler { return &handler{o, make(chan struct{}, maxCommands)} }

// ServeHTTP implements http.Handler. Every answer has status 200, as there: what failed stands in the body.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	answer := map[string]any{"RequestId": id}
	if f := h.serve(w, r); f != nil {
		h.o.Log.Debug().Str("code", f.Code).Str("action", fmt.Sprintf("%.64s", r.Header.Get(actionHeader))).Str("request", id).Msg("action refused")
		answer["Error"] = f
	}
	body, err := json.Marshal(map[string]any{"Response": answer})
	if err != nil { // never: it holds nothing but texts
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client may be gone; there is nobody else to tell
}

// serve carries out a request.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) *failure {
	body, f := read(w, r)
	if f != nil {
		return f
	}
	if f := h.admit(r, body); f != nil {
		h.o.Refusals.Note(refusal.Refusal{Door: "admin", From: remote.Of(r).Addr, Err: terms.Errorf(f.refused, "Authorization", "%s", f.Message)})
		return f
	}
	if v := r.Header.Get("X-TC-Version"); v != version {
		return fail("NoSuchVersion", "X-TC-Version is %.32q; the actions of %s are here", v, version)
	}
	name := r.Header.Get(actionHeader)
	a, ok := actions[name]
	switch {
	case !ok && elsewhere[name]:
		return fail("UnsupportedOperation", "the action %s is not here", name)
	case !ok:
		return fail("InvalidAction", "there is no action %.64q", name)
	}
	request, f := a.translate(body, h.o.Application)
	if f != nil {
		return f
	}
	return h.do(r, a.command, request)
}

// do carries out a command, if there are not too many.
func (h *handler) do(r *http.Request, a command.Action, request []byte) *failure {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return fail("RequestLimitExceeded", "too many commands at once; it may be repeated")
	}
	ctx, cancel := context.WithTimeout(h.o.Trace.Join(r.Context(), r.Header.Get), commandTime)
	defer cancel()
	_, err := h.o.Commands.Do(ctx, a, request)
	if err == nil {
		return nil
	}
	if terms.AsError(err).Code == terms.CodeInternal {
		h.o.Log.Warn().Err(err).Str("action", string(a)).Msg("command failed")
	}
	return failed(err)
}

// read returns the body of a request that may be one.
func read(w http.ResponseWriter, r *http.Request) ([]byte, *failure) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, fail("UnsupportedProtocol", "Content-Type has to be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, command.MaxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, fail("RequestSizeLimitExceeded", "the request has more than %d bytes", command.MaxRequest)
	case err != nil:
		return nil, fail("InvalidRequest", "the request did not arrive as a whole")
	}
	return body, nil
}
