package negotiate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/transport/negotiate"
)

// trickled is the PATCH of RFC 9725 §4.3.2.
const trickled = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n" +
	"a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n" +
	"a=candidate:3471623853 1 udp 2122194687 4ff63f1e.local 61765 typ host generation 0 ufrag EsAw network-id 2\r\na=end-of-candidates\r\n"

func TestParseFragment(t *testing.T) {
	f, err := negotiate.ParseFragment(trickled)
	require.NoError(t, err)
	require.Equal(t, "EsAw", f.UFrag)
	require.Equal(t, "P2uYro0UCOQ4zxjKXaWCBui1", f.Pwd)
	require.Len(t, f.Candidates, 2)
	require.True(t, f.EndOfCandidates)

	f, err = negotiate.ParseFragment("a=end-of-candidates")
	require.NoError(t, err)
	require.Equal(t, negotiate.Fragment{EndOfCandidates: true}, *f)
}

func TestParseFragmentErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text, field string
		line        int
	}{
		"empty":         {"", "", 0},
		"no SDP":        {"hello", "", 1},
		"nothing in it": {"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n", "", 0},
		"candidate":     {"a=mid:0\r\na=candidate:1 1 udp\r\n", "candidate", 2},
		"port":          {"a=candidate:1 1 udp 1 192.0.2.1 70000 typ host\r\n", "candidate", 1},
		"two ufrags":    {trickled + "a=ice-ufrag:other\r\n", "ice-ufrag", 9},
		"only a ufrag":  {"a=ice-ufrag:EsAw\r\n", "ice-pwd", 0},
		"ufrag short":   {"a=ice-ufrag:E\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", "ice-ufrag", 0},
		"too large":     {strings.Repeat("a=x\r\n", 8<<10), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := negotiate.ParseFragment(c.text)
			var e *negotiate.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.field, e.Field)
			require.Equal(t, c.line, e.Line)
		})
	}
}

// TestFragmentOfRestart: what a restart tells is what the answer told (RFC 9725 §4.3.3).
func TestFragmentOfRestart(t *testing.T) {
	for name, c := range map[string]struct{ offer, options, mline string }{
		"both":    {edit("a=setup", "a=ice-options:trickle ice2\r\na=setup"), "a=ice-options:trickle ice2\r\n", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"},
		"trickle": {edit("a=setup", "a=ice-options:trickle renomination\r\na=setup"), "a=ice-options:trickle\r\n", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"},
		"none":    {edit("BUNDLE 0 1", "BUNDLE 1 0"), "", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := negotiate.ParseOffer(c.offer)
			require.NoError(t, err)
			answer, _, err := o.Answer(params())
			require.NoError(t, err)
			node := o.NodeFragment()
			node.UFrag, node.Pwd, node.Candidates = "nodeufrag", "nodepassword0123456789ab", params().Candidates
			text := node.Marshal()
			f, err := negotiate.ParseFragment(text)
			require.NoError(t, err)
			require.Equal(t, "nodeufrag", f.UFrag)
			require.Equal(t, "nodepassword0123456789ab", f.Pwd)
			require.Len(t, f.Candidates, 3)
			require.True(t, f.EndOfCandidates)
			require.Contains(t, f.Candidates[0], " udp ")
			require.Contains(t, f.Candidates[2], " tcp ")
			require.Contains(t, f.Candidates[2], "tcptype passive")
			require.Contains(t, text, c.mline)
			require.Contains(t, text, "a=ice-lite\r\n")
			for _, key := range []string{"a=ice-options:", "a=group:", "a=ice-lite"} {
				require.Equal(t, linesWith(answer, key), linesWith(text, key))
			}
			require.Equal(t, c.options, linesWith(text, "a=ice-options:"))
		})
	}
}

// linesWith returns the lines of a text that begin so.
func linesWith(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			b.WriteString(line)
		}
	}
	return b.String()
}
