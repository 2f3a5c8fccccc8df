package conformance

import (
	"context"
	"flag"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/session"
	"parlor/session/terms"
	"parlor/session/token"
	"parlor/session/whip"
	"parlor/transport"
)

var (
	flagURL   = flag.String("url", "", "base `URL` of the server to check; empty: a node in this process")
	flagWHIP  = flag.String("whip", "", "`URL` of the WHIP endpoint, if it is not <url>/whip/conformance")
	flagWHEP  = flag.String("whep", "", "`URL` of the WHEP endpoint, if it is not <url>/whep/conformance")
	flagToken = flag.String("token", "", "bearer `token` for both")
)

// protocol is one of the two, at the server that is checked.
type protocol struct {
	endpoint, token string
	plays           bool   // WHEP
	offers, answers string // direction of media in an offer and in its answer
}

func TestWHIP(t *testing.T) {
	p := target(t)
	if p.whip == "" {
		t.Skip("--whep alone was given: there is no WHIP endpoint to check; the node of these tests has both")
	}
	check(t, protocol{endpoint: p.whip, token: p.token, offers: "sendonly", answers: "recvonly"})
}

func TestWHEP(t *testing.T) {
	p := target(t)
	if p.whep == "" {
		t.Skip("--whip alone was given: there is no WHEP endpoint to check; the node of these tests has both")
	}
	check(t, protocol{endpoint: p.whep, token: p.token, plays: true, offers: "recvonly", answers: "sendonly"})
}

func check(t *testing.T, p protocol) {
	for _, s := range []struct {
		name string
		run  func(*testing.T, protocol)
	}{
		{"4.1 HTTP usage", httpUsage}, {"4.2 set-up", setUp}, {"4.2 termination", termination}, {"4.2 OPTIONS", options},
		{"4.3.1 PATCH", patching}, {"4.3.2 trickle ICE", trickling}, {"4.3.3 ICE restarts", restarting},
		{"4.4.1 BUNDLE", bundling}, {"4.4.2 single MediaStream", singleStream}, {"4.4.3 no partial answers", noPartialAnswers}, {"4.4.4 DTLS setup", dtlsSetup},
		{"4.5 redirections", redirections}, {"4.6 ICE servers", iceServers}, {"4.7 authentication", authentication}, {"4.8 simulcast", simulcast},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, p) })
	}
}

type endpoints struct{ whip, whep, token string }

// target is what the flags say, or a node that ends with the test.
func target(t *testing.T) endpoints {
	e := endpoints{whip: *flagWHIP, whep: *flagWHEP, token: *flagToken}
	if e.whip != "" || e.whep != "" {
		return e
	}
	base := strings.TrimSuffix(*flagURL, "/")
	if base == "" {
		base, e.token = startNode(t)
	}
	e.whip, e.whep = base+"/whip/conformance", base+"/whep/conformance"
	return e
}

// startNode starts the doors before a real transport on the loopback interface, and mints a token for
// everything.
func startNode(t *testing.T) (url, text string) {
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	e, err := transport.Listen(transport.Options{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Log: log})
	require.NoError(t, err)
	rooms := session.New(session.Options{Log: log}, session.OverEndpoint(e), nil)
	keys, err := token.New(nil, token.Key{ID: "k", Secret: []byte(strings.Repeat("s", token.MinSecret))})
	require.NoError(t, err)
	srv := httptest.NewServer(whip.New(rooms, keys, nil))
	running, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = e.Run(running) })
	parts.Go(func() { _ = rooms.Run(running) })
	t.Cleanup(func() {
		srv.Close()
		bye, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, rooms.Shutdown(bye))
		stop()
		parts.Wait()
	})
	room, err := terms.StringRoom("conformance")
	require.NoError(t, err)
	text, err = keys.Mint(terms.Grant{Room: room, Rights: terms.AllRights(), Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	return srv.URL, text
}
