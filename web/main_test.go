package web_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// The browser tests: real browsers meet on a real node, in this process, in a network namespace of their own.
//
//	main_test.go     set-up: the namespace, browsers that tests share, the network
//	node_test.go     a node under test
//	person_test.go   a user in a page, and what it can do and see
//	state_test.go    how a page is if a test fails
//	meet_test.go     meeting, and every way of leaving
//	lost_test.go     pages whose network is cut
//	links_test.go    networks that are narrow, or lose much
//	paused_test.go   what they do not carry
//	media_test.go    codecs, simulcast
//	svc_test.go      layers inside one stream
//	layers_test.go   what nobody gets is not sent
//	sizes_test.go    pictures as large as they are shown, and none of what is hidden
//	streams_test.go  screens, what one does not want to see or hear, roles, rights, limits
//	rights_test.go   blocks, and tokens that end, are renewed, or allow less
//	whip_test.go     WHIP and WHEP
//	stream_test.go   the pages that publish and play, also behind proxies
//	foreign_test.go  WHIP and WHEP with encoders and players that others wrote
//	firefox_test.go  Firefox and Chromium together
//	demo_test.go     the demo page
//	layout_test.go   its sizes
//	admin_test.go    the operator's page
//	notes_test.go    what it says in passing, and what a tile says
//	handler_test.go  what the node serves to pages, its own and those of other origins
//	options_test.go  options of devices
//	profiles_test.go what is sent of them, and changed while it runs: sizes, rates, layers, codecs, stereo
//	devices_test.go  devices that come and go, a test of the speaker, processors that stall
//	cluster_test.go  rooms of several nodes
//	reports_test.go  who speaks, how good the network is
//	tcp_test.go      ICE-TCP beside UDP
//	package_test.go  the client as an npm package
//	message_test.go  custom messages, and the demo's chat
//	encryption_test.go end-to-end encryption

// limit is how long anything may take that is not measured. It is generous: it only decides how soon a
// failure shows.
const limit = 20 * time.Second

func TestMain(m *testing.M) {
	if err := browser.Isolate(); err != nil {
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.close(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "browser tests:", err)
		code = 1
	}
	os.Exit(code)
}

// shared is the Chromium of all tests that do not touch its network: each page of it has a profile of its
// own, and starting one takes a second.
var shared sharedBrowser

type sharedBrowser struct {
	mu      sync.Mutex
	browser *browser.Browser
}

func (s *sharedBrowser) get(t *testing.T) *browser.Browser {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser == nil {
		b, err := browser.StartChromium(browser.Options{})
		require.NoError(t, err)
		s.browser = b
	}
	return s.browser
}

func (s *sharedBrowser) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser == nil {
		return nil
	}
	return s.browser.Close()
}

// within is a context for something that must happen soon enough.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// contextAfterTest is for cleaning up, when the test's own context is over.
func contextAfterTest() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Second)
}

// newNetwork is a switch that is gone when the test is over.
func newNetwork(t *testing.T) *browser.Network {
	t.Helper()
	n, err := browser.NewNetwork()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

// newBrowser starts a browser on a machine of its own at the switch.
func newBrowser(t *testing.T, n *browser.Network, start func(browser.Options) (*browser.Browser, error)) (*browser.Browser, *browser.Site) {
	t.Helper()
	site, err := n.Join()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, site.Close()) })
	b, err := start(browser.Options{Site: site})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b, site
}
