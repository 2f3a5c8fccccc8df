package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func bundling(t *testing.T, p protocol) {
	t.Run("one group with all sections, and RTCP beside RTP", func(t *testing.T) {
		parts := sections(p.open(t, p.offer()).body)
		group, _ := attribute(parts[0], "group")
		require.Equal(t, "BUNDLE 0 1", group)
		for _, part := range parts[1:] {
			for _, key := range []string{"rtcp-mux", "rtcp-mux-only"} {
				_, ok := attribute(part, key)
				require.True(t, ok, "%s: %s", key, part)
			}
		}
	})
	t.Run("without rtcp-mux-only in the offer there is none in the answer (RFC 8858 4.3)", func(t *testing.T) {
		require.NotContains(t, p.open(t, p.offer("a=rtcp-mux-only\r\n", "")).body, "rtcp-mux-only")
	})
	t.Run("sections with ports of their own", func(t *testing.T) {
		parts := sections(p.open(t, p.offer("m=video 0", "m=video 9", "a=bundle-only\r\n", "")).body)
		require.NotContains(t, parts[2], "video 0 ")
	})
	t.Run("every section is of the answer's group or refused", func(t *testing.T) {
		r := p.post(t, p.offer("BUNDLE 0 1", "BUNDLE 0", "m=video 0", "m=video 9", "a=bundle-only\r\n", ""))
		if r.StatusCode == 201 {
			require.Contains(t, sections(r.body)[2], "video 0 ")
			return
		}
		r.requireRefused(t, 400, 422)
	})
}

func singleStream(t *testing.T, p protocol) {
	t.Run("more tracks than can be taken are refused", func(t *testing.T) {
		more := p.offer("BUNDLE 0 1", "BUNDLE 0 1 2 3") + strings.ReplaceAll(strings.ReplaceAll(video, "DIRECTION", p.offers), "a=mid:1", "a=mid:2") +
			strings.ReplaceAll(strings.ReplaceAll(video, "DIRECTION", p.offers), "a=mid:1", "a=mid:3")
		r := p.post(t, more)
		if r.StatusCode != 201 {
			r.requireRefused(t, 400, 422)
			return
		}
		require.NotContains(t, r.body, "\r\nm=video 0 ", "taken in part")
	})
}

func noPartialAnswers(t *testing.T, p protocol) {
	t.Run("a section that cannot be taken fails the whole", func(t *testing.T) {
		r := p.post(t, p.offer("VP8", "nothing-known"))
		if p.plays && r.StatusCode == 201 {
			return // WHEP does not ask for it
		}
		r.requireRefused(t, 400, 422)
	})
	t.Run("nothing that can be taken", func(t *testing.T) {
		r := p.post(t, p.offer("VP8", "nothing-known", "opus", "nothing-known"))
		if p.plays && r.StatusCode == 406 {
			require.Equal(t, typeSDP, strings.Split(r.Header.Get("Content-Type"), ";")[0], "406 is a counter-offer")
			return
		}
		r.requireRefused(t, 400, 422)
	})
}

func dtlsSetup(t *testing.T, p protocol) {
	t.Run("actpass is answered with a role", func(t *testing.T) {
		setup, _ := attribute(p.open(t, p.offer()).body, "setup")
		require.Contains(t, []string{"active", "passive"}, setup)
	})
	t.Run("active is answered with passive or refused", func(t *testing.T) {
		r := p.post(t, p.offer("actpass", "active"))
		if r.StatusCode != 201 {
			r.requireRefused(t, 400, 422)
			return
		}
		setup, _ := attribute(r.body, "setup")
		require.Equal(t, "passive", setup)
	})
}

func simulcast(t *testing.T, p protocol) {
	if p.plays {
		return // of clients that send
	}
	t.Run("layers are answered or left out", func(t *testing.T) {
		part := sections(p.open(t, p.offer("a=fmtp:97 apt=96\r\n", "a=fmtp:97 apt=96\r\na=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f\r\n")).body)[2]
		line, ok := attribute(part, "simulcast")
		if !ok {
			return
		}
		require.Regexp(t, `^recv [qf]`, line)
		for _, rid := range strings.Split(strings.TrimPrefix(line, "recv "), ";") {
			require.Contains(t, part, "a=rid:"+rid+" recv")
		}
	})
}
