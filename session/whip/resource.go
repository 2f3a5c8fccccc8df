package whip

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"parlor/session"
	"parlor/session/terms"
	"parlor/transport/negotiate"
)

// typeFragment is the media type of PATCH (RFC 8840).
const typeFragment = "application/trickle-ice-sdpfrag"

// resource is what a Location names: one session and its present ICE session.
type resource struct {
	id      string
	session *session.Session

	mu    sync.Mutex // held across an ICE restart, so that they come one after another
	etag  string     // names the ICE session; quoted
	ufrag string     // the client's
	pwd   string
}

// resources are the session resources by id, until their sessions have ended.
type resources struct {
	mu   sync.Mutex
	byID map[string]*resource
}

func newETag() string { return `"` + rand.Text() + `"` }

func (t *resources) add(s *session.Session, offer *negotiate.Offer) *resource {
	r := &resource{id: rand.Text(), session: s, etag: newETag()}
	r.ufrag, r.pwd = offer.ICE()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[string]*resource{}
	}
	t.byID[r.id] = r
	s.AfterDone(func() { t.remove(r.id) })
	return r
}

func (r *resource) ended() bool {
	select {
	case <-r.session.Done():
		return true
	default:
		return false
	}
}

// find returns the resource of that id, unless its session has ended. The room has to be right too, so that a
// resource has one path.
func (t *resources) find(id, room string) (*resource, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.byID[id]
	switch {
	case r == nil || r.session.Room().String() != room:
	case r.ended():
		delete(t.byID, id)
	default:
		return r, nil
	}
	return nil, terms.Errorf(terms.CodeUserNotFound, "session", "there is no such session, or it has ended")
}

func (t *resources) remove(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, id)
}

func (h *Handler) resource(r *http.Request) (*resource, error) {
	return h.resources.find(r.PathValue("id"), r.PathValue("room"))
}

// look is GET: that there is such a session, and nothing more (RFC 9725 §4.1).
func (h *Handler) look(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.resource(r); err != nil {
		return err
	}
	w.Header().Set("Accept-Patch", typeFragment)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// exit is DELETE: it returns when the exit is complete.
func (h *Handler) exit(w http.ResponseWriter, r *http.Request) error {
	res, err := h.resource(r)
	if err != nil {
		return err
	}
	h.resources.remove(res.id)
	if err := res.session.Exit(r.Context()); err != nil {
		return err // the client has gone; the exit goes on
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// patch is PATCH: candidates that came late, or an ICE restart (RFC 9725 §4.3). Either may bring another
// token, and a token may come alone.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request) error {
	res, err := h.resource(r)
	if err != nil {
		return err
	}
	renewed, err := h.renew(r, res.session)
	if err != nil {
		door, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		h.note(r, door, res.session.Room(), res.session.User(), err)
		return err
	}
	if renewed && r.ContentLength == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	body, err := readBody(w, r, typeFragment, "Accept-Patch", negotiate.MaxFragmentSize)
	if err != nil {
		return err
	}
	match := r.Header.Values("If-Match")
	if len(match) == 0 {
		return badRequest(http.StatusPreconditionRequired, "If-Match", "must be the ETag of the ICE session, or * for an ICE restart")
	}
	fragment, err := negotiate.ParseFragment(body)
	if err != nil {
		return badRequest(http.StatusBadRequest, "body", "%s", err)
	}
	res.mu.Lock()
	defer res.mu.Unlock()
	if !matches(match, res.etag) {
		return badRequest(http.StatusPreconditionFailed, "If-Match", "the ICE session is another one by now")
	}
	switch {
	case fragment.UFrag == "" && wildcard(match):
		return badRequest(http.StatusBadRequest, "body", "If-Match * asks for an ICE restart, which needs a new ice-ufrag and ice-pwd")
	case fragment.UFrag == "", fragment.UFrag == res.ufrag && fragment.Pwd == res.pwd:
		// Candidates. An ICE-lite node needs none: the client's checks tell where it is.
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return h.restart(w, res, fragment)
}

// renew takes the token of a PATCH, if there is one, for the session's from now on.
func (h *Handler) renew(r *http.Request, s *session.Session) (bool, error) {
	token := bearer(r)
	if token == "" {
		return false, nil
	}
	grant, err := h.auth.Authenticate(token, s.Room(), s.User())
	if err != nil {
		return false, err
	}
	_, err = s.Renew(grant)
	return err == nil, err
}

// restart restarts ICE under new credentials of the client. res.mu is held.
func (h *Handler) restart(w http.ResponseWriter, res *resource, f *negotiate.Fragment) error {
	answer, err := res.session.RestartICE(f.UFrag, f.Pwd)
	if err != nil {
		if !errors.Is(err, terms.CodeUserNotFound) {
			res.session.Log().Warn().Err(err).Msg("ICE restart")
		}
		return err
	}
	res.etag, res.ufrag, res.pwd = newETag(), f.UFrag, f.Pwd
	w.Header().Set("Content-Type", typeFragment)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("ETag", res.etag)
	w.WriteHeader(http.StatusOK)
	if _, err := io.WriteString(w, answer); err != nil {
		res.session.Log().Debug().Err(err).Msg("writing the answer to an ICE restart")
	}
	return nil
}

// wildcard tells whether If-Match is *, which clients also write in quotes.
func wildcard(match []string) bool {
	v := strings.TrimSpace(strings.Join(match, ","))
	return v == "*" || v == `"*"`
}

// matches compares If-Match with an entity tag, strongly (RFC 9110 §13.1.1). Our tags contain no comma.
func matches(match []string, etag string) bool {
	if wildcard(match) {
		return true
	}
	for tag := range strings.SplitSeq(strings.Join(match, ","), ",") {
		if strings.TrimSpace(tag) == etag {
			return true
		}
	}
	return false
}
