package main

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

// fakeNode is a node of pion PeerConnections that forwards packets to seats, and loses or repeats some on
// purpose. It understands what bench asks for, and nothing else.
type fakeNode struct {
	t      *testing.T
	server *httptest.Server
	debug  string           // what it says of where it serves profiles
	lose   func(n int) bool // of the n-th packet that a publisher's track brings; may be nil
	repeat func(n int) bool

	mu    sync.Mutex
	feeds map[string]bool                        // by user: its first offer promises transport-wide feedback
	seats map[*webrtc.TrackLocalStaticRTP]string // → room, publisher and kind
	pcs   []*webrtc.PeerConnection
}

func newFakeNode(t *testing.T) *fakeNode {
	n := &fakeNode{t: t, feeds: map[string]bool{}, seats: map[*webrtc.TrackLocalStaticRTP]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rtc", n.serve)
	mux.HandleFunc("POST /whep/{room}", n.servePost)
	mux.HandleFunc("DELETE /session", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"debug":%q}`, n.debug) })
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /debug/pprof/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.RequestURI()) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		own := readSelf()
		fmt.Fprintf(w, "go_goroutines 1\nprocess_cpu_seconds_total %f\nprocess_resident_memory_bytes 1048576\n", own.cpu().Seconds())
	})
	n.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		n.server.Close()
		for _, pc := range n.pcs {
			_ = pc.GracefulClose()
		}
	})
	return n
}

// member is one WebSocket's state.
type member struct {
	room, user string
	pc         *webrtc.PeerConnection
	mids       map[string]*webrtc.TrackLocalStaticRTP
	seats      []seatPlan
}

type seatPlan struct{ ID, Video, Audio string }

func (n *fakeNode) serve(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"parlor.v1"}})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	var m member
	for {
		_, raw, err := ws.Read(context.Background())
		if err != nil {
			return
		}
		var q struct {
			Type, Room, User, SDP, Seat string
			ID                          int
			Seats                       []seatPlan
		}
		if err := json.Unmarshal(raw, &q); err != nil {
			n.t.Errorf("%s: %v", raw, err)
			return
		}
		reply := map[string]any{"type": "ok", "re": q.ID}
		switch q.Type {
		case "enter":
			m.room, m.user = q.Room, q.User
		case "offer":
			m.seats = q.Seats
			n.mu.Lock()
			if _, known := n.feeds[m.user]; !known {
				n.feeds[m.user] = strings.Contains(q.SDP, "transport-cc")
			}
			n.mu.Unlock()
			m.pc, m.mids, reply["sdp"] = n.answer(q.SDP, m.room+" "+m.user)
		case "seat":
			n.take(m, q.Seat, q.User)
		case "exit":
			n.forget(m)
		}
		b, _ := json.Marshal(reply)
		_ = ws.Write(context.Background(), websocket.MessageText, b)
	}
}

func (n *fakeNode) take(m member, seat, user string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range m.seats {
		if s.ID == seat {
			n.seats[m.mids[s.Video]] = m.room + " " + user + " video"
			n.seats[m.mids[s.Audio]] = m.room + " " + user + " audio"
		}
	}
}

func (n *fakeNode) forget(m member) {
	n.mu.Lock()
	for _, track := range m.mids {
		delete(n.seats, track)
	}
	n.mu.Unlock()
	_ = m.pc.Close()
}

func (n *fakeNode) servePost(w http.ResponseWriter, r *http.Request) {
	offer, _ := io.ReadAll(r.Body)
	_, mids, sdp := n.answer(string(offer), "")
	n.mu.Lock()
	for _, track := range mids {
		n.seats[track] = r.PathValue("room") + " pub0 " + track.Kind().String()
	}
	n.mu.Unlock()
	w.Header().Set("Location", "/session")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, sdp)
}

// answer makes a PeerConnection with a track for every section that the client receives.
func (n *fakeNode) answer(offer, who string) (*webrtc.PeerConnection, map[string]*webrtc.TrackLocalStaticRTP, string) {
	must := func(err error) {
		if err != nil {
			n.t.Error(err)
		}
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(err)
	must(conn.SetReadBuffer(2 << 20))
	se := webrtc.SettingEngine{}
	se.SetIncludeLoopbackCandidate(true)
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	n.t.Cleanup(func() { _ = mux.Close() })
	se.SetICEUDPMux(mux)
	engine := &webrtc.MediaEngine{}
	must(engine.RegisterDefaultCodecs())
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(se)).NewPeerConnection(webrtc.Configuration{})
	must(err)
	n.mu.Lock()
	n.pcs = append(n.pcs, pc)
	n.mu.Unlock()
	pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { n.forward(pc, t, who+" "+t.Kind().String()) })
	must(pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	mids := map[string]*webrtc.TrackLocalStaticRTP{}
	for _, t := range pc.GetTransceivers() {
		_, section, _ := strings.Cut(offer, "a=mid:"+t.Mid()+"\r\n")
		section, _, _ = strings.Cut(section, "\r\nm=")
		if !strings.Contains(section, "a=recvonly") {
			continue
		}
		codec := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
		if t.Kind() == webrtc.RTPCodecTypeAudio {
			codec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
		}
		mids[t.Mid()], err = webrtc.NewTrackLocalStaticRTP(codec, t.Mid(), "seat")
		must(err)
		_, err = pc.AddTrack(mids[t.Mid()])
		must(err)
	}
	a, err := pc.CreateAnswer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(pc)
	must(pc.SetLocalDescription(a))
	<-gathered
	return pc, mids, pc.LocalDescription().SDP
}

// forward copies a publisher's track to who asked for it. A keyframe is asked for when somebody new has.
func (n *fakeNode) forward(pc *webrtc.PeerConnection, t *webrtc.TrackRemote, name string) {
	known, seqs := 0, map[*webrtc.TrackLocalStaticRTP]uint16{}
	for i := 0; ; i++ {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		var outs []*webrtc.TrackLocalStaticRTP
		n.mu.Lock()
		for out, wants := range n.seats {
			if wants == name && out != nil {
				outs = append(outs, out)
			}
		}
		n.mu.Unlock()
		if len(outs) > known {
			_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
		}
		known = len(outs)
		if n.lose != nil && n.lose(i) {
			continue
		}
		copies := 1
		if n.repeat != nil && n.repeat(i) {
			// It is the same payload under two sequence numbers, or else SRTP would take the second for a
			// replay.
			copies = 2
		}
		for _, out := range outs {
			for range copies {
				seqs[out]++
				p.SequenceNumber = seqs[out]
				_ = out.WriteRTP(p)
			}
		}
	}
}
