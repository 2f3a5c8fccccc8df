package sfu

import (
	"encoding/json"
	"log"
	"net/http"

	"github.com/rs/zerolog"

	"parlor/session"
)

// Health is the body of GET /healthz.
type Health struct {
	Status  string `json:"status"` // "ok", or "draining" while the node shuts down
	Node    string `json:"node"`
	Version string `json:"version"`
	HTTP    string `json:"http"`            // host:port
	Media   string `json:"media"`           // host:port, UDP and TCP
	NATS    string `json:"nats"`            // URL
	Debug   string `json:"debug,omitempty"` // host:port
}

// healthz says that the process lives, and where it listens.
func (n *Node) healthz(w http.ResponseWriter, _ *http.Request) {
	h := Health{Status: "ok", Node: n.cfg.Node.ID, Version: Version(), HTTP: n.addrs.HTTP.String(), Media: n.addrs.Media.String(), NATS: n.addrs.NATS}
	if n.addrs.Debug.IsValid() {
		h.Debug = n.addrs.Debug.String()
	}
	if n.draining.Load() {
		h.Status = "draining"
	}
	writeJSON(w, http.StatusOK, h)
}

// readyz says whether new users should be sent here.
func (n *Node) readyz(w http.ResponseWriter, _ *http.Request) {
	type answer struct {
		Ready  bool   `json:"ready"`
		Reason string `json:"reason,omitempty"`
	}
	if n.draining.Load() {
		writeJSON(w, http.StatusServiceUnavailable, answer{Reason: "the node is shutting down"})
		return
	}
	if err := n.cluster.Ready(); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, answer{Reason: session.AsError(err).Text})
		return
	}
	writeJSON(w, http.StatusOK, answer{Ready: true})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; there is nobody else to tell
}

// serverLog sends what net/http has to say, mostly of broken clients, to the node's log.
func serverLog(l zerolog.Logger) *log.Logger {
	return log.New(debugWriter{l}, "", 0)
}

type debugWriter struct{ log zerolog.Logger }

func (d debugWriter) Write(p []byte) (int, error) {
	d.log.Debug().Str("part", "http").Msg(string(p))
	return len(p), nil
}
