// Package whip is the node's HTTP doors for media alone, each with one POST of an SDP offer. WHIP (RFC 9725)
// lets a client publish into a room. WHEP (draft-ietf-wish-whep) lets one receive from it.
//
//	POST   /whip/{room}               enter as an anchor and publish: the first video section is the camera,
//	                                  the first audio section the microphone, the second ones the screen and
//	                                  its sound
//	POST   /whep/{room}               enter and receive: a seat per video section with the audio section
//	                                  beside it, filled with the room's anchors in the order in which they
//	                                  entered
//	POST   /whep/{room}/{user}        the same, only that user
//	PATCH  /whip/{room}/session/{id}  trickled candidates, ICE restart, another token; also under /whep
//	DELETE /whip/{room}/session/{id}  exit
//	GET, HEAD on all of them          no content, and that there is something (RFC 9725 §4.1)
//	OPTIONS on all of them            what is accepted, and CORS
//
// A slash at the end of a path changes nothing. Package conformance checks all of this paragraph by
// paragraph, here and at other servers.
//
// The bearer token says which user it is. If the node asks for no token, ?user= does, or the user gets an id
// of its own. ?name= is its display name, if the token has none. ?scene=call or live is what the first user of a room makes of it. ?number=1 says that {room} is
// an integer id. A WHEP client is audience in a live room. In a call room, which has no audience, it is a
// user that publishes nothing.
//
// The path of a session resource is the right to change and end it. It cannot be guessed, and is told to
// nobody but the client that made it. So PATCH and DELETE ask for no token. One that comes with a PATCH takes
// the place of the session's. A session ends with its token.
//
//	whip.go      the routes, methods and CORS
//	enter.go     POST
//	plan.go      which section of an offer is for what
//	resource.go  session resources: PATCH, DELETE, entity tags
//	problem.go   errors as problem documents (RFC 9457)
package whip

import (
	"net/http"
	"strings"

	"parlor/session"
	"parlor/session/refusal"
	"parlor/session/remote"
	"parlor/session/terms"
)

// Authenticator tells what a bearer token grants to the user in the room. Whether an empty token will do is
// for it to judge. An empty user says that the grant is to name the user. Errors are *terms.Error.
type Authenticator interface {
	Authenticate(token string, room terms.RoomID, user string) (terms.Grant, error)
}

// Handler serves the paths under /whip/ and /whep/. Safe for concurrent use.
type Handler struct {
	rooms     *session.Rooms
	auth      Authenticator
	refusals  *refusal.Log
	mux       *http.ServeMux
	resources resources
}

// New returns the doors to rooms. It starts nothing. refusals is told of users that were refused entering, or
// another token; nil: nobody is told.
func New(rooms *session.Rooms, auth Authenticator, refusals *refusal.Log) *Handler {
	h := &Handler{rooms: rooms, auth: auth, refusals: refusals, mux: http.NewServeMux()}
	endpoint := func(d door) methods {
		return methods{
			http.MethodGet:  func(w http.ResponseWriter, r *http.Request) error { return look(w, r, d) },
			http.MethodPost: func(w http.ResponseWriter, r *http.Request) error { return h.enter(w, r, d) },
		}
	}
	resource := methods{http.MethodGet: h.look, http.MethodPatch: h.patch, http.MethodDelete: h.exit}
	for path, m := range map[string]methods{
		"/whip/{room}": endpoint(publish), "/whip/{room}/session/{id}": resource,
		"/whep/{room}": endpoint(play), "/whep/{room}/session/{id}": resource, "/whep/{room}/{user}": endpoint(play),
	} {
		h.mux.Handle(path, m)
		h.mux.Handle(path+"/{$}", m)
	}
	h.mux.Handle("/", methods{})
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowOrigins(w.Header())
	h.mux.ServeHTTP(w, r)
}

// allowOrigins lets pages of any origin use the doors: the token says who may, and no cookie is involved.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After")
}

// note tells of a refusal. Room and user are as the request names them, if they are not known better.
func (h *Handler) note(r *http.Request, door string, room terms.RoomID, user string, err error) {
	h.refusals.Note(refusal.Refusal{Door: door, From: remote.Of(r).Addr, Room: room, User: user, Err: err})
}

// challenge asks for a token.
const challenge = `Bearer realm="parlor"`

// methods are what a path does, by HTTP method. None: the path does not exist.
type methods map[string]func(http.ResponseWriter, *http.Request) error

func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // the server leaves out the body
	}
	f, ok := m[method]
	switch {
	case len(m) == 0:
		writeProblem(w, &problem{status: http.StatusNotFound, code: terms.CodeBadRequest, text: "there is nothing at this path; publish to /whip/{room}, play /whep/{room} or /whep/{room}/{user}"})
	case ok:
		if err := f(w, r); err != nil && !redirect(w, r, err) {
			p := asProblem(err)
			if p.status == http.StatusUnauthorized && bearer(r) == "" {
				// no error if nothing was tried (RFC 6750 §3.1)
				w.Header().Set("WWW-Authenticate", challenge)
			}
			writeProblem(w, p)
		}
	case r.Method == http.MethodOptions:
		m.options(w)
	default:
		w.Header().Set("Allow", m.allow())
		writeProblem(w, &problem{
			status: http.StatusMethodNotAllowed, code: terms.CodeBadRequest, text: "this path takes " + m.allow() + ", not " + r.Method,
		})
	}
}

// allow lists the methods in a fixed order.
func (m methods) allow() string {
	var l []string
	for _, name := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if m[name] != nil || name == http.MethodHead {
			l = append(l, name)
		}
	}
	return strings.Join(append(l, http.MethodOptions), ", ")
}

// options answers OPTIONS, which a browser also asks before a request of another origin.
func (m methods) options(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Allow", m.allow())
	h.Set("Access-Control-Allow-Methods", m.allow())
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
	h.Set("Access-Control-Max-Age", "86400")
	if m[http.MethodPost] != nil {
		h.Set("Accept-Post", typeSDP)
	}
	if m[http.MethodPatch] != nil {
		h.Set("Accept-Patch", typeFragment)
	}
	w.WriteHeader(http.StatusOK)
}
