package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// Resource is a WHIP session (RFC 9725) or a WHEP one, with its PeerConnection. Of Options it uses URL, Room,
// User, Token, Publish, RIDs, Seats, Silent, Blind, Media, OnRTP, Prepare and HTTP. Its methods are for one
// goroutine at a time, except Close.
type Resource struct {
	opts   Options
	peer   *peer
	answer string // the node's last answer

	Location string // absolute, of the session
	ETag     string // of the present ICE session
}

// StatusError is the answer to a request that the node has refused.
type StatusError struct {
	Status int
	Type   string // Content-Type of the body
	Body   string
}

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// WHIP publishes what the options ask for and waits until media is connected.
func WHIP(ctx context.Context, o Options) (*Resource, error) {
	return create(ctx, o, "/whip/"+roomPath(o.Room))
}

// WHEP plays a room into the seats of the options, or only the user target if that is not empty. It waits
// until media is connected.
func WHEP(ctx context.Context, o Options, target string) (*Resource, error) {
	path := "/whep/" + roomPath(o.Room)
	if target != "" {
		path += "/" + url.PathEscape(target)
	}
	return create(ctx, o, path)
}

func roomPath(room any) string { return url.PathEscape(fmt.Sprint(room)) }

func create(ctx context.Context, o Options, path string) (*Resource, error) {
	p, err := newPeer(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	r := &Resource{opts: o, peer: p}
	if err := r.create(ctx, path); err != nil {
		if r.Location != "" {
			_ = r.remove(ctx)
		}
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Resource) create(ctx context.Context, path string) error {
	offer, err := r.peer.offer(ctx, false)
	if err != nil {
		return err
	}
	if r.opts.User != "" {
		path += "?user=" + url.QueryEscape(r.opts.User)
	}
	res, err := post(ctx, r.opts, path, "application/sdp", []byte(offer))
	if err != nil {
		return err
	}
	if res.status != http.StatusCreated {
		return fmt.Errorf("POST %s: %w", path, res.refusal())
	}
	location, err := res.from.Parse(res.header.Get("Location"))
	if err != nil {
		return fmt.Errorf("location of the session: %w", err)
	}
	r.Location, r.ETag, r.answer = location.String(), res.header.Get("ETag"), string(res.body)
	if err := r.peer.answer(r.answer); err != nil {
		return err
	}
	return r.peer.awaitConnected(ctx)
}

// Patch sends a trickle-ice-sdpfrag (RFC 8840) with the given If-Match and returns the fragment of the
// answer, empty after 204.
func (r *Resource) Patch(ctx context.Context, fragment, ifMatch string) (string, error) {
	res, err := r.do(ctx, http.MethodPatch, "application/trickle-ice-sdpfrag", []byte(fragment), ifMatch)
	if err != nil {
		return "", err
	}
	switch res.status {
	case http.StatusNoContent:
		return "", nil
	case http.StatusOK:
		if tag := res.header.Get("ETag"); tag != "" {
			r.ETag = tag
		}
		return string(res.body), nil
	}
	return "", fmt.Errorf("PATCH: %w", res.refusal())
}

// RestartICE gets new credentials for both sides by PATCH.
func (r *Resource) RestartICE(ctx context.Context) error {
	offer, err := r.peer.offer(ctx, true)
	if err != nil {
		return err
	}
	fragment, err := fragmentOf(offer)
	if err != nil {
		return err
	}
	got, err := r.Patch(ctx, fragment, "*")
	if err != nil {
		return err
	}
	if got == "" {
		return errors.New("ICE restart: the node sent no credentials")
	}
	r.answer = restarted(r.answer, got)
	return r.peer.answer(r.answer)
}

// Delete leaves: it returns when the node has answered, and everything is released, whatever the error.
func (r *Resource) Delete(ctx context.Context) error {
	err := r.remove(ctx)
	r.peer.close(false)
	return err
}

func (r *Resource) remove(ctx context.Context) error {
	res, err := r.do(ctx, http.MethodDelete, "", nil, "")
	if err == nil && res.status/100 != 2 {
		err = fmt.Errorf("DELETE: %w", res.refusal())
	}
	return err
}

// Close goes away without a word; again does nothing.
func (r *Resource) Close() { r.peer.close(true) }

// Outgoing is like Client.Outgoing.
func (r *Resource) Outgoing(s Source, rid string) *Outgoing { return r.peer.find(s, rid) }

// PeerConnection returns the PeerConnection.
func (r *Resource) PeerConnection() *webrtc.PeerConnection { return r.peer.pc }

// Failed is closed when the media connection has failed, or was closed by either side.
func (r *Resource) Failed() <-chan struct{} { return r.peer.failed }

// Silence is like Client.Silence.
func (r *Resource) Silence(on bool) { r.peer.silence(on) }

// Drops is like Client.Drops.
func (r *Resource) Drops() (uint32, error) { return r.peer.drops() }

// Sample is like Client.Sample.
func (r *Resource) Sample(k int) error { return r.peer.sample(k) }

// fragmentOf cuts out of an offer what a PATCH says: credentials, the first mid, candidates.
func fragmentOf(offer string) (string, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(offer); err != nil {
		return "", fmt.Errorf("own offer: %w", err)
	}
	if len(d.MediaDescriptions) == 0 {
		return "", errors.New("own offer: no section")
	}
	m := d.MediaDescriptions[0]
	var b strings.Builder
	for _, key := range []string{"ice-ufrag", "ice-pwd"} {
		v, ok := m.Attribute(key)
		if !ok {
			v, _ = d.Attribute(key)
		}
		fmt.Fprintf(&b, "a=%s:%s\r\n", key, v)
	}
	fmt.Fprintf(&b, "m=%s 9 %s 0\r\n", m.MediaName.Media, strings.Join(m.MediaName.Protos, "/"))
	for _, a := range m.Attributes {
		switch a.Key {
		case "mid", "candidate", "end-of-candidates":
			b.WriteString("a=" + a.String() + "\r\n")
		}
	}
	return b.String(), nil
}

// restarted returns the answer with the credentials of a fragment.
func restarted(answer, fragment string) string {
	values := map[string]string{}
	for line := range strings.Lines(fragment) {
		line = strings.TrimSpace(line)
		if key, _, ok := strings.Cut(line, ":"); ok && (key == "a=ice-ufrag" || key == "a=ice-pwd") {
			values[key] = line
		}
	}
	var b strings.Builder
	for line := range strings.Lines(answer) {
		key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if v, ok := values[key]; ok {
			line = v + "\r\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

type response struct {
	from   *url.URL // who answered, after redirects
	status int
	header http.Header
	body   []byte
}

func (r response) refusal() error {
	return &StatusError{Status: r.status, Type: r.header.Get("Content-Type"), Body: string(r.body)}
}

func (r *Resource) do(ctx context.Context, method, kind string, body []byte, ifMatch string) (response, error) {
	q, err := http.NewRequestWithContext(ctx, method, r.Location, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	if ifMatch != "" {
		q.Header.Set("If-Match", ifMatch)
	}
	return send(q, r.opts, kind)
}

func post(ctx context.Context, o Options, path, kind string, body []byte) (response, error) {
	target := strings.TrimSuffix(o.URL, "/") + path
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	return send(q, o, kind)
}

func send(q *http.Request, o Options, kind string) (response, error) {
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	if o.Token != "" {
		q.Header.Set("Authorization", "Bearer "+o.Token)
	}
	c := o.HTTP
	if c == nil {
		c = http.DefaultClient
	}
	res, err := c.Do(q)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, readLimit))
	if err != nil {
		return response{}, fmt.Errorf("%s %s: %w", q.Method, q.URL.Path, err)
	}
	return response{from: res.Request.URL, status: res.StatusCode, header: res.Header, body: body}, nil
}
