package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// fakeNode speaks the node's side of docs/protocol.md, WHIP and WHEP, with a pion PeerConnection as the media
// end. It has one participant and is an echo: what is published goes into every seat that was asked for,
// whoever was named.
type fakeNode struct {
	t      *testing.T
	server *httptest.Server
	refuse *Error    // answers `enter`
	sendOn *fakeNode // answers `enter`: the room is there
	others []string  // nodes named in `entered`
	tcp    bool      // media by ICE-TCP only
	resume func()    // called before `resume` is answered; nil: nothing is

	mu       sync.Mutex
	ws       *websocket.Conn
	pc       *webrtc.PeerConnection
	offers   []offerMsg
	requests []string // the types, in order
	seats    []seatMsg
	acked    uint64
	sent     []json.RawMessage // events, in order
	outs     []*webrtc.TrackLocalStaticRTP
	rids     map[string]int
	patches  []string
	closed   []error // how sockets ended
}

func newFakeNode(t *testing.T) *fakeNode {
	n := &fakeNode{t: t, rids: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rtc", n.serveWS)
	mux.HandleFunc("POST /rtc/exit", func(w http.ResponseWriter, r *http.Request) {
		n.note("beacon")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /whip/{room}", n.servePost)
	mux.HandleFunc("POST /whep/{room}/{user}", n.servePost)
	mux.HandleFunc("PATCH /session/1", n.servePatch)
	mux.HandleFunc("DELETE /session/1", func(w http.ResponseWriter, r *http.Request) {
		n.note("delete")
		n.closePC()
	})
	n.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		n.closePC()
		n.server.Close()
	})
	return n
}

func (n *fakeNode) note(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests = append(n.requests, what)
}

func (n *fakeNode) count(what string) (k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.requests {
		if r == what {
			k++
		}
	}
	return k
}

func (n *fakeNode) closePC() {
	n.mu.Lock()
	pc := n.pc
	n.pc = nil
	n.mu.Unlock()
	if pc != nil {
		_ = pc.GracefulClose()
	}
}

func (n *fakeNode) serveWS(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	n.mu.Lock()
	n.ws = ws
	n.mu.Unlock()
	for {
		_, raw, err := ws.Read(context.Background())
		if err != nil {
			n.mu.Lock()
			n.closed = append(n.closed, err)
			n.mu.Unlock()
			return
		}
		if n.request(ws, raw) {
			_ = ws.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// request answers one message and reports whether the session is over.
func (n *fakeNode) request(ws *websocket.Conn, raw []byte) (over bool) {
	var h struct {
		Type    string
		ID      int64
		Ack     uint64
		LastSeq uint64
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		n.t.Errorf("request %s: %v", raw, err)
		return true
	}
	n.note(h.Type)
	entered := map[string]any{"session": "s1", "key": "k1", "user": "ann", "room": "lobby",
		"users": []User{{ID: "bob", Role: "anchor"}}, "timers": Timers{PingMs: 20}, "nodes": n.others}
	switch h.Type {
	case "enter":
		if n.refuse != nil {
			n.answer(ws, h.ID, "error", map[string]any{"code": n.refuse.Code, "field": n.refuse.Field, "message": n.refuse.Message})
			return true
		}
		if n.sendOn != nil {
			n.answer(ws, h.ID, "redirect", map[string]any{"node": "other", "url": n.sendOn.server.URL})
			return true
		}
		n.answer(ws, h.ID, "entered", entered)
	case "resume":
		if n.resume != nil {
			n.resume()
		}
		n.answer(ws, h.ID, "resumed", entered)
		n.mu.Lock()
		again := n.sent[h.LastSeq:]
		n.mu.Unlock()
		for _, e := range again {
			_ = ws.Write(context.Background(), websocket.MessageText, e)
		}
	case "offer":
		n.offer(ws, h.ID, raw)
	case "seat":
		var m seatMsg
		_ = json.Unmarshal(raw, &m)
		n.mu.Lock()
		n.seats = append(n.seats, m)
		n.mu.Unlock()
		n.answer(ws, h.ID, "ok", nil)
	case "ping":
		n.mu.Lock()
		n.acked = h.Ack
		n.mu.Unlock()
		n.answer(ws, h.ID, "pong", nil)
	case "exit":
		n.event(map[string]any{"type": Exited, "reason": 0})
		n.answer(ws, h.ID, "ok", nil)
		n.closePC()
		return true
	default:
		n.answer(ws, h.ID, "ok", nil)
	}
	return false
}

func (n *fakeNode) answer(ws *websocket.Conn, re int64, typ string, fields map[string]any) {
	m := map[string]any{"type": typ, "re": re}
	for k, v := range fields {
		m[k] = v
	}
	b, _ := json.Marshal(m)
	_ = ws.Write(context.Background(), websocket.MessageText, b)
}

// event sends an event, or keeps it for a resume where the socket is gone.
func (n *fakeNode) event(fields map[string]any) {
	n.mu.Lock()
	fields["seq"] = len(n.sent) + 1
	b, _ := json.Marshal(fields)
	n.sent = append(n.sent, b)
	ws := n.ws
	n.mu.Unlock()
	_ = ws.Write(context.Background(), websocket.MessageText, b)
}

func (n *fakeNode) offer(ws *websocket.Conn, re int64, raw []byte) {
	var m offerMsg
	if err := json.Unmarshal(raw, &m); err != nil {
		n.t.Errorf("offer: %v", err)
	}
	n.mu.Lock()
	n.offers = append(n.offers, m)
	n.mu.Unlock()
	if m.Fresh {
		n.closePC()
	}
	sdp, err := n.negotiate(m.SDP)
	if err != nil {
		n.t.Errorf("fake node: %v", err)
		n.answer(ws, re, "error", map[string]any{"code": "bad_request", "message": err.Error()})
		return
	}
	n.answer(ws, re, "answer", map[string]any{"sdp": sdp})
}

func (n *fakeNode) negotiate(offer string) (string, error) {
	n.mu.Lock()
	pc := n.pc
	n.mu.Unlock()
	if pc == nil {
		var err error
		if pc, err = n.newPC(); err != nil {
			return "", err
		}
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	if err := n.fillSeats(pc); err != nil {
		return "", err
	}
	a, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(a); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}

// fillSeats gives a track to every section that the client only receives.
func (n *fakeNode) fillSeats(pc *webrtc.PeerConnection) error {
	for _, t := range pc.GetTransceivers() {
		if t.Sender() != nil && t.Sender().Track() != nil {
			continue
		}
		offered := pc.PendingRemoteDescription().SDP
		_, section, _ := strings.Cut(offered, "a=mid:"+t.Mid()+"\r\n")
		section, _, _ = strings.Cut(section, "\r\nm=")
		if !strings.Contains(section, "a=recvonly") {
			continue
		}
		m := Media{Codecs: []string{"VP8"}}
		track, err := webrtc.NewTrackLocalStaticRTP(m.capability(t.Kind() == webrtc.RTPCodecTypeAudio), t.Kind().String(), "seat")
		if err != nil {
			return err
		}
		if _, err := pc.AddTrack(track); err != nil {
			return err
		}
		n.mu.Lock()
		n.outs = append(n.outs, track)
		n.mu.Unlock()
	}
	return nil
}

func (n *fakeNode) listen(se *webrtc.SettingEngine) error {
	if n.tcp {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		mux := webrtc.NewICETCPMux(nil, l, 8)
		n.t.Cleanup(func() { _ = mux.Close() })
		se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
		se.SetICETCPMux(mux)
		return nil
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	n.t.Cleanup(func() { _ = mux.Close() })
	se.SetICEUDPMux(mux)
	return nil
}

func (n *fakeNode) newPC() (*webrtc.PeerConnection, error) {
	se := webrtc.SettingEngine{}
	se.SetIncludeLoopbackCandidate(true)
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if err := n.listen(&se); err != nil {
		return nil, err
	}
	engine, err := Media{Feedback: NACK}.engine()
	if err != nil {
		return nil, err
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(se)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, err
	}
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { n.echo(pc, t) })
	n.mu.Lock()
	n.pc, n.outs = pc, nil
	n.mu.Unlock()
	return pc, nil
}

// echo asks for a keyframe and copies a track into the seats.
func (n *fakeNode) echo(pc *webrtc.PeerConnection, t *webrtc.TrackRemote) {
	n.mu.Lock()
	n.rids[t.RID()]++
	n.mu.Unlock()
	_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
	for {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		p.Header.Extension, p.Header.Extensions = false, nil
		n.mu.Lock()
		outs := n.outs
		n.mu.Unlock()
		for _, o := range outs {
			if o.Kind() == t.Kind() {
				_ = o.WriteRTP(p)
			}
		}
	}
}

func (n *fakeNode) servePost(w http.ResponseWriter, r *http.Request) {
	n.note("post " + r.URL.RequestURI() + " " + r.Header.Get("Authorization"))
	if n.refuse != nil {
		http.Error(w, n.refuse.Code, http.StatusForbidden)
		return
	}
	offer, _ := io.ReadAll(r.Body)
	answer, err := n.negotiate(string(offer))
	if err != nil {
		n.t.Errorf("fake node: %v", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Location", "/session/1")
	w.Header().Set("ETag", `"one"`)
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

// servePatch restarts ICE: the fragment is spliced into the offer that the PeerConnection had.
func (n *fakeNode) servePatch(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	n.patches = append(n.patches, r.Header.Get("If-Match")+" "+string(body))
	pc := n.pc
	n.mu.Unlock()
	if r.Header.Get("If-Match") != "*" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer, err := n.negotiate(restarted(pc.RemoteDescription().SDP, string(body)))
	if err != nil {
		n.t.Errorf("fake node: %v", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fragment, err := fragmentOf(answer)
	if err != nil {
		n.t.Errorf("fake node: %v", err)
	}
	w.Header().Set("ETag", `"two"`)
	fmt.Fprint(w, fragment)
}
