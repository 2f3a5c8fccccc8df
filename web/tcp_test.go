package web_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// TestAnOrdinaryCallCountsNothingAsRefused: Chromium opens a TCP connection beside the UDP that it uses, and
// closes it again. How early UDP is nominated decides whether the node ever sees the connection, so UDP
// passes only once there is one.
func TestAnOrdinaryCallCountsNothingAsRefused(t *testing.T) {
	d := startDrawn(t)
	ann := join(t, shared.get(t), d.node, "ordinary", "ann")
	at := d.away(browser.StartChromium)
	at.host.BlockUDP(true)
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		defer at.host.BlockUDP(false)
		for t.Context().Err() == nil {
			if n, _ := d.read(openTCP); n > 0 {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	ben := join(t, at.browser, d.node, "ordinary", "ben")
	ann.sees("ben")
	ben.sees("ann")
	<-opened
	leaveWithoutTCP(d, ann, ben)
}

// TestACallWithoutUDP: where a firewall passes nothing but TCP, people see and hear each other all the same.
func TestACallWithoutUDP(t *testing.T) {
	d := startDrawn(t)
	ann := join(t, shared.get(t), d.node, "walled", "ann")
	at := d.away(browser.StartChromium)
	at.host.BlockUDP(true)
	ben := join(t, at.browser, d.node, "walled", "ben")
	for _, p := range [][2]*person{{ann, ben}, {ben, ann}} {
		p[0].sees(p[1].name)
		p[0].hears(p[1].name)
	}
	var carrier string
	ben.call(&carrier, "carrier")
	require.Equal(t, "tcp", carrier)
	leaveWithoutTCP(d, ann, ben)
}

// openTCP is how many ICE-TCP connections the node has.
const openTCP = "parlor_transport_tcp_connections"

// leaveWithoutTCP lets everyone leave. No connection may stay, and none may have been refused.
func leaveWithoutTCP(d *drawn, all ...*person) {
	d.t.Helper()
	for _, p := range all {
		p.exit()
	}
	require.Eventually(d.t, func() bool { return d.metric(openTCP) == 0 }, limit, 300*time.Millisecond)
	require.Zero(d.t, d.metric(`parlor_transport_dropped_total{reason="tcp_limit"}`))
}

// metric reads one value of the node's /metrics.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	v, err := n.read(name)
	require.NoError(n.t, err)
	return v
}

func (n *node) read(metric string) (float64, error) {
	// Nobody signs its certificate.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get(n.url + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(metric) + ` (\S+)$`).FindSubmatch(page)
	if m == nil {
		return 0, fmt.Errorf("there is no %s", metric)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}
