package router

import (
	"slices"

	"github.com/pion/rtcp"

	"parlor/packet"
)

// keyRequests is what a stream knows of the keyframes asked of it.
type keyRequests struct {
	at      int64 // when it was asked last, 0: never
	tries   int   // since the last keyframe
	pending bool  // somebody asked since
	queued  bool  // on core.asking
	fir     uint8 // sequence number of full intra requests
}

// arrived notes a keyframe: what was asked for is there.
func (k *keyRequests) arrived() { k.pending, k.tries = false, 0 }

// retryKeyframe is how long a sink waits for a keyframe before it is asked for again, in ns; after many vain requests
// slowKeyframe. Lower recovers sooner from a lost request, higher spares a publisher that has nothing to send.
const (
	retryKeyframe = 500e6
	slowKeyframe  = 2e9
	manyKeyframes = 8
)

// askKeyframe asks the publisher for a keyframe of the stream, now or when Options.KeyframeInterval has passed since the
// last request for a layer of the track.
func (c *core) askKeyframe(st *stream) {
	if st.track.key.Source.Kind() != packet.Video || st.muted {
		return
	}
	c.totals.KeyframesAsked++
	st.key.pending = true
	if !st.key.queued {
		st.key.queued = true
		c.asking = append(c.asking, st)
	}
	c.askOrWait(st)
}

// askIfWaited asks for a keyframe if a sink waits for one.
func (c *core) askIfWaited(st *stream) {
	if wanted(st) {
		c.askKeyframe(st)
	}
}

// askOrWait sends the request that is due, and notes when the next one is.
func (c *core) askOrWait(st *stream) {
	next := c.nextAsk(st)
	if next == 0 {
		return
	}
	if c.now >= next {
		if !c.requestKeyframes(st.track) || st.key.pending {
			return // asked again when it can be
		}
		if next = c.nextAsk(st); next == 0 {
			return
		}
	}
	c.at(dueKeyframe, next)
}

// nextAsk returns when the stream is to be asked next, 0 if there is no need.
func (c *core) nextAsk(st *stream) int64 {
	k := &st.key
	next := c.now
	switch {
	case !k.pending && !wanted(st):
		return 0
	case k.at == 0 || k.pending:
	case k.tries > manyKeyframes && st.lastAt < k.at:
		return 0 // it has stopped; asked again when packets come
	case k.tries > manyKeyframes:
		next = k.at + slowKeyframe
	default:
		next = k.at + retryKeyframe
	}
	if at := st.track.keyAt; at != 0 {
		next = max(next, at+ns(c.o.KeyframeInterval))
	}
	return next
}

// wanted says whether a sink waits for the stream that could take it.
func wanted(st *stream) bool { return len(st.waiting) > 0 && !st.muted }

// askKeyframes sends the requests that are due.
func (c *core) askKeyframes() {
	c.asking = slices.DeleteFunc(c.asking, func(st *stream) bool {
		c.askOrWait(st)
		st.key.queued = c.nextAsk(st) != 0
		return !st.key.queued
	})
}

// requestKeyframes asks for keyframes of all layers of a track of which they are due, in one compound packet. It reports false
// when the publisher cannot be told yet: SSRC or transport are missing.
func (c *core) requestKeyframes(t *track) bool {
	var packets []rtcp.Packet
	for _, st := range t.layers {
		if next := c.nextAsk(st); next == 0 || c.now < next || st.ssrc == 0 || !t.peer.ready {
			continue
		}
		packets = append(packets, c.keyframeRequest(st))
		st.key.at, st.key.pending = c.now, false
		st.key.tries++
		c.totals.KeyframeRequests++
	}
	if len(packets) == 0 {
		return false
	}
	t.keyAt = c.now
	c.sendRTCP(t.peer, packets...)
	return true
}

// keyframeRequest returns a PLI, or a FIR where that is what was negotiated (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1).
func (c *core) keyframeRequest(st *stream) rtcp.Packet {
	f := st.format
	if f == nil && len(st.track.formats) > 0 {
		f = &st.track.formats[0]
	}
	if f == nil || f.codec.PLI || !f.codec.FIR {
		return &rtcp.PictureLossIndication{SenderSSRC: c.ssrc, MediaSSRC: st.ssrc}
	}
	st.key.fir++
	return &rtcp.FullIntraRequest{SenderSSRC: c.ssrc, MediaSSRC: st.ssrc, FIR: []rtcp.FIREntry{{SSRC: st.ssrc, SequenceNumber: st.key.fir}}}
}
