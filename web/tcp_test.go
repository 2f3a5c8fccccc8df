package web_test

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAnOrdinaryCallCountsNothingAsRefused: Chromium opens a TCP connection beside the UDP that it uses, and closes it again.
func TestAnOrdinaryCallCountsNothingAsRefused(t *testing.T) {
	n := startNode(t)
	ann, ben, cleo := meet(t, n, "ordinary")
	for _, p := range []*person{ann, ben, cleo.person} {
		p.exit()
	}
	require.Eventually(t, func() bool { return n.metric("parlor_transport_tcp_connections") == 0 }, limit, 300*time.Millisecond)
	require.Zero(t, n.metric(`parlor_transport_dropped_total{reason="tcp_limit"}`))
}

// metric reads one value of the node's /metrics.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	res, err := http.Get(n.url + "/metrics")
	require.NoError(n.t, err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	require.NoError(n.t, err)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(page)
	require.NotNil(n.t, m, "there is no %s", name)
	v, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(n.t, err)
	return v
}
