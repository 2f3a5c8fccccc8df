package transport

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

// TestCertificatesRotate: new peers are shown a new certificate in time, those who are there keep theirs.
func TestCertificatesRotate(t *testing.T) {
	e := start(t, Options{})
	old := dial(t, e, clientOptions{})
	e.identities.mu.Lock()
	before := e.identities.now
	before.made = before.made.Add(-identityAge)
	e.identities.mu.Unlock()
	k := dial(t, e, clientOptions{})
	k.checkUp(1, 3)
	if k.peer.identity == before || k.peer.identity.fingerprint == before.fingerprint {
		t.Error("a new peer is shown the old certificate")
	}
	again := dial(t, e, clientOptions{})
	if again.peer.identity != k.peer.identity {
		t.Error("each peer is shown a certificate of its own")
	}
	answer, _, err := old.peer.Negotiate(old.offer(false), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer, before.fingerprint) {
		t.Error("the fingerprint changes on a connection")
	}
	if err := old.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	old.checkUp(1, 3)
}

func TestIdentityAge(t *testing.T) {
	var s identities
	at := time.Unix(1<<30, 0)
	a, err := s.at(at)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := s.at(at.Add(identityAge - 1)); b != a {
		t.Error("changed before its time")
	}
	if b, _ := s.at(at.Add(identityAge)); b == a {
		t.Error("not changed in time")
	}
}
