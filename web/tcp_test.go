package web_test

import (
	"context"
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

// TestAnOrdinaryCallCountsNothingAsRefused: Chromium opens a TCP connection beside the UDP that it uses, and closes it again. Who is here may have
// nominated UDP before that; who is away has not.
func TestAnOrdinaryCallCountsNothingAsRefused(t *testing.T) {
	d := startDrawn(t)
	const open = "parlor_transport_tcp_connections"
	most := d.highest(open)
	ann := join(t, shared.get(t), d.node, "ordinary", "ann")
	at := d.away(browser.StartChromium)
	at.link("delay=200ms")
	ben := join(t, at.browser, d.node, "ordinary", "ben")
	ann.sees("ben")
	ben.sees("ann")
	require.Positive(t, most(), "no TCP connection was open")
	for _, p := range []*person{ann, ben} {
		p.exit()
	}
	require.Eventually(t, func() bool { return d.metric(open) == 0 }, limit, 300*time.Millisecond)
	require.Zero(t, d.metric(`parlor_transport_dropped_total{reason="tcp_limit"}`))
}

// highest watches a metric of the node until the function that it returns is called, which returns the highest value.
func (n *node) highest(name string) (most func() float64) {
	ctx, stop := context.WithCancel(n.t.Context())
	highest := make(chan float64, 1)
	go func() {
		v := 0.0
		for ctx.Err() == nil {
			now, _ := n.read(name)
			v = max(v, now)
			time.Sleep(20 * time.Millisecond)
		}
		highest <- v
	}()
	return func() float64 {
		stop()
		return <-highest
	}
}

// metric reads one value of the node's /metrics.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	v, err := n.read(name)
	require.NoError(n.t, err)
	return v
}

func (n *node) read(metric string) (float64, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // nobody signs its certificate
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
