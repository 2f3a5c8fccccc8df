package whip

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parlor/session"
	"parlor/session/remote"
	"parlor/session/stranger"
	"parlor/session/terms"
	"parlor/transport/negotiate"
)

// typeSDP is the media type of offers and answers.
const typeSDP = "application/sdp"

// exitWithin bounds how long a request that has failed after entering waits for the exit.
const exitWithin = 5 * time.Second

// enter is POST: it enters the room and answers the offer.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, d door) error {
	e, err := h.prepare(w, r, d)
	if err != nil {
		told := asError(err)
		h.rooms.Refused(told)
		room, _ := pathRoom(r)
		h.note(r, d.name, room, cmp.Or(e.User, r.URL.Query().Get("user")), told)
		return err
	}
	s, servers, answer, err := h.open(r.Context(), e)
	if err != nil {
		h.note(r, d.name, e.Room, e.User, err)
		return err
	}
	res := h.resources.add(s, e.offer)
	header := w.Header()
	header.Set("Content-Type", typeSDP)
	header.Set("Cache-Control", "no-store")
	header.Set("Location", remote.Prefix(r)+"/"+d.name+"/"+url.PathEscape(r.PathValue("room"))+"/session/"+res.id)
	header.Set("ETag", res.etag)
	header.Set("Accept-Patch", typeFragment)
	linkServers(header, servers)
	w.WriteHeader(http.StatusCreated)
	_, err = io.WriteString(w, answer)
	if err == nil {
		err = http.NewResponseController(w).Flush()
	}
	// Nobody has the answer, without which there is no media.
	if err = errors.Join(err, r.Context().Err()); err != nil {
		s.Log().Debug().Err(err).Msg("writing the answer")
		s.Gone()
	}
	return nil
}

// entry is a request to enter in which nothing was found wrong.
type entry struct {
	session.EnterRequest
	offer   *negotiate.Offer
	plan    session.OfferPlan
	watched string // the only user to show; empty: all
}

// prepare finds everything wrong that can be found without entering, because entering replaces an older
// session of the user.
func (h *Handler) prepare(w http.ResponseWriter, r *http.Request, d door) (e entry, err error) {
	if e.EnterRequest, err = h.request(r, d); err != nil {
		return e, err
	}
	if e.watched, err = pathUser(r); err != nil {
		return e, err
	}
	body, err := readBody(w, r, typeSDP, "Accept-Post", d.maxBody)
	if err != nil {
		return e, err
	}
	if e.offer, err = d.parse(body); err != nil {
		return e, badOffer(err)
	}
	if e.plan, err = d.plan(body, e.offer.Sections()); err != nil {
		return e, err
	}
	if limit := h.rooms.Limits().Seats; len(e.plan.Seats) > limit {
		return e, badRequest(http.StatusBadRequest, "sdp", "%d seats are more than the %d allowed", len(e.plan.Seats), limit)
	}
	e.Publish = len(e.plan.Publish) > 0
	return e, mayPublish(e.Grant, e.plan)
}

// request reads who wants to enter where, from path, query and token.
func (h *Handler) request(r *http.Request, d door) (session.EnterRequest, error) {
	var q session.EnterRequest
	room, err := pathRoom(r)
	if err != nil {
		return q, err
	}
	params := r.URL.Query()
	user := params.Get("user")
	if user != "" {
		if err := checkUser(user); err != nil {
			return q, err
		}
	}
	grant, err := h.auth.Authenticate(bearer(r), room, user)
	if err != nil {
		return q, err
	}
	if grant.User != "" {
		user = grant.User
	}
	if user == "" {
		user = d.name + "-" + strings.ToLower(rand.Text()[:12])
	}
	q = session.EnterRequest{Room: room, User: user, Grant: grant, Role: d.role, Scene: terms.Scene(params.Get("scene")),
		Host: remote.Host(r), Client: session.Client{Addr: remote.Of(r).Addr, Agent: session.AgentOf(r.UserAgent())}}
	if name := params.Get("name"); name != "" {
		q.Profile.Name = &name
	}
	if q.Scene == terms.Call {
		q.Role = terms.Anchor // a call room has no audience
	}
	return q, nil
}

// pathRoom reads {room}, which is a string id unless ?number= says otherwise.
func pathRoom(r *http.Request) (terms.RoomID, error) {
	name := r.PathValue("room")
	number, err := strconv.ParseBool(r.URL.Query().Get("number"))
	if err != nil && r.URL.Query().Has("number") {
		return terms.RoomID{}, badRequest(http.StatusBadRequest, "number", "must be 1 or 0")
	}
	if number {
		return terms.ParseRoomKey("n:" + name)
	}
	if dots(name) {
		return terms.RoomID{}, badRequest(http.StatusBadRequest, "room", "a room cannot be called %q here: in a path that is a step, not a name", name)
	}
	return terms.StringRoom(name)
}

// pathUser reads {user}; "": the path has none.
func pathUser(r *http.Request) (string, error) {
	user := r.PathValue("user")
	if user == "" {
		return "", nil
	}
	return user, checkUser(user)
}

func checkUser(user string) error {
	if dots(user) {
		return badRequest(http.StatusBadRequest, "user", "a user cannot be called %q here: in a path that is a step, not a name", user)
	}
	return terms.CheckUser(user)
}

// dots tells whether a name, as a step of a path, would lead elsewhere (RFC 3986 §5.2.4). No client could use
// what is below it.
func dots(name string) bool { return name == "." || name == ".." }

// look is GET of an endpoint: there is nothing to see (RFC 9725 §4.1). Players know a WHEP endpoint by its
// content type.
func look(w http.ResponseWriter, r *http.Request, d door) error {
	if _, err := pathRoom(r); err != nil {
		return err
	}
	if _, err := pathUser(r); err != nil {
		return err
	}
	w.Header().Set("Accept-Post", typeSDP)
	w.Header().Set("Cache-Control", "no-store")
	if !d.plays {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", typeSDP)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// bearer returns the token of the Authorization header, or "".
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// readBody returns a body of the given media type. acceptHeader says which header names that type if the
// body's is another.
func readBody(w http.ResponseWriter, r *http.Request, mediaType, acceptHeader string, limit int64) (string, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != mediaType {
		w.Header().Set(acceptHeader, mediaType)
		return "", badRequest(http.StatusUnsupportedMediaType, "Content-Type", "must be %s", mediaType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "", badRequest(http.StatusRequestEntityTooLarge, "", "the body is larger than %d bytes", limit)
	case err != nil:
		return "", badRequest(http.StatusBadRequest, "", "the body could not be read")
	}
	return string(body), nil
}

// open enters and negotiates. What fails after entering exits again.
func (h *Handler) open(ctx context.Context, e entry) (*session.Session, []terms.ICEServer, string, error) {
	s, entered, err := h.rooms.Enter(ctx, e.EnterRequest)
	if err != nil {
		return nil, nil, "", err
	}
	stranger.Entered(ctx) // and has perhaps replaced another session, whatever follows
	answer, err := negotiatePlan(ctx, s, e.plan, e.watched)
	if err == nil {
		err = ctx.Err() // nobody waits for the answer any more
	}
	if err == nil {
		return s, entered.ICEServers, answer, nil
	}
	if ctx.Err() != nil {
		s.Gone()
		return nil, nil, "", err
	}
	if terms.AsError(err).Code == terms.CodeInternal {
		s.Log().Error().Err(err).Msg("answering an offer")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exitWithin)
	defer cancel()
	if err := s.Exit(ctx); err != nil {
		s.Log().Warn().Err(err).Msg("exit after a failed negotiation takes long")
	}
	return nil, nil, "", err
}

// linkServers tells of servers of ICE, one header for each address (RFC 9725 §4.6). Who may use them is known
// only once a session is there, so OPTIONS does not tell.
func linkServers(h http.Header, servers []terms.ICEServer) {
	for _, s := range servers {
		for _, u := range s.URLs {
			h.Add("Link", fmt.Sprintf(`<%s>; rel="ice-server"; username="%s"; credential="%s"; credential-type="password"`, u, s.Username, s.Credential))
		}
	}
}

func negotiatePlan(ctx context.Context, s *session.Session, plan session.OfferPlan, watched string) (answer string, err error) {
	switch {
	case len(plan.Seats) == 0:
	case watched != "":
		err = s.AutoSeatsFor(watched)
	default:
		err = s.AutoSeats()
	}
	if err != nil {
		return "", err
	}
	return s.Negotiate(ctx, plan)
}
