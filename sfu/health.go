package sfu

import (
	"encoding/json"
	"log"
	"net/http"
	"net/netip"

	"github.com/rs/zerolog"

	"parlor/control/cluster"
	"parlor/session/terms"
)

// Health is the body of GET /healthz. Addresses are told on this machine and at monitor.listen alone.
type Health struct {
	Status  string `json:"status"` // "ok", or "draining" while the node shuts down
	Node    string `json:"node"`
	Version string `json:"version"`
	HTTP    string `json:"http,omitempty"`    // host:port
	Media   string `json:"media,omitempty"`   // host:port, UDP and TCP
	NATS    string `json:"nats,omitempty"`    // URL
	Debug   string `json:"debug,omitempty"`   // host:port
	Monitor string `json:"monitor,omitempty"` // host:port
}

// health says how the node is.
type health struct {
	id      string
	addrs   Addrs
	drain   *drain
	cluster *cluster.Cluster
	away    func() (why string, away bool) // Node.NATSAway
}

func (c *health) brief() Health {
	h := Health{Status: "ok", Node: c.id, Version: Version()}
	if c.drain.leaving.Load() {
		h.Status = "draining"
	}
	return h
}

// healthz says that the process lives, and where it listens.
func (c *health) healthz(w http.ResponseWriter, _ *http.Request) {
	h, a := c.brief(), &c.addrs
	h.HTTP, h.Media, h.NATS = a.HTTP.String(), a.Media.String(), a.NATS
	if a.Debug.IsValid() {
		h.Debug = a.Debug.String()
	}
	if a.Monitor.IsValid() {
		h.Monitor = a.Monitor.String()
	}
	writeJSON(w, http.StatusOK, h)
}

// healthz is health.healthz, which tells where the node listens to this machine only.
func (s *surface) healthz(w http.ResponseWriter, r *http.Request) {
	if onThisMachine(r) {
		s.health.healthz(w, r)
		return
	}
	writeJSON(w, http.StatusOK, s.health.brief())
}

// onThisMachine reports whether a request comes from this machine. A request that a proxy on this machine has
// passed on does not, whether the proxy is trusted or not.
func onThisMachine(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return true
}

// readyz says whether new users should be sent here.
func (c *health) readyz(w http.ResponseWriter, _ *http.Request) {
	type answer struct {
		Ready  bool   `json:"ready"`
		Reason string `json:"reason,omitempty"`
	}
	if c.drain.leaving.Load() {
		writeJSON(w, http.StatusServiceUnavailable, answer{Reason: "the node is shutting down"})
		return
	}
	if err := c.cluster.Ready(); err != nil {
		a := answer{Reason: terms.AsError(err).Text}
		if why, away := c.away(); away {
			a.Reason += "; NATS: " + why
		}
		writeJSON(w, http.StatusServiceUnavailable, a)
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
