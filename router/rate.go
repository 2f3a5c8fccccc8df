package router

import (
	"math"

	"parlor/router/codec"
)

// temporals is how many temporal layers of a stream are told apart, the last one with all above it. Browsers
// send three at most.
const temporals = 3

// whole is the temporal layer up to which all of a stream goes.
const whole = temporals - 1

// rated is what a stream brings in a second, by its last two measurements.
type rated struct {
	at    int64              // of the last one; 0: there was none since the stream began
	parts [temporals]traffic // since then, by temporal layer
	// last and before are what a receiver's network has to carry up to a temporal layer, in bits per second;
	// 0: not known.
	last, before [temporals]uint32
	usual        uint32           // the same of all, of a layer that is off, before it was
	frames       [temporals]uint8 // a second, one more for each temporal layer at least
	top          uint8            // the highest temporal layer
}

// traffic is what came of something.
type traffic struct{ bytes, packets, frames uint32 }

// note notes a packet. To find out what their network carries, publishers fill it by padding, and by sending
// again what has arrived. That goes to nobody.
func (r *rated) note(m *media) {
	if len(m.Payload) == 0 {
		return
	}
	x := &r.parts[min(m.info.TID, whole)]
	x.bytes += uint32(m.HeaderLen) + uint32(len(m.Payload))
	x.packets++
	if m.Marker {
		x.frames++
	}
}

// measuring is the time over which the rate of a layer is measured, in ns. Longer rides out keyframes,
// shorter finds sooner which layer is which. measuringFirst is that of its first measurement.
const (
	measuring      = 1e9
	measuringFirst = 250e6
)

// measure takes the rate of the stream, and forgets it if the stream stands still.
func (st *stream) measure(now int64) {
	r := &st.in.rated
	span := int64(measuring)
	if r.last[whole] == 0 {
		span = measuringFirst
	}
	switch {
	case !st.live:
		was := max(r.last[whole], r.before[whole], r.usual)
		if *r, st.size.Rate = (rated{}), 0; st.obtainable(now) {
			r.usual = was
		}
		return
	case r.at != 0 && now-r.at < span:
		return
	case r.at != 0:
		var all traffic
		for _, x := range r.parts {
			all.bytes, all.packets = all.bytes+x.bytes, all.packets+x.packets
		}
		st.size.Rate = perSecond(uint64(all.bytes), now-r.at)
		st.reading.layers.measure(now - r.at)
		r.before = r.last
		r.divide(perSecond(8*(uint64(all.bytes)+wireOverhead*uint64(all.packets)), now-r.at), now-r.at)
	}
	r.at, r.parts = now, [temporals]traffic{}
}

// divide divides the rate of the whole stream over some ns among its temporal layers.
func (r *rated) divide(rate uint32, span int64) {
	var sums [temporals]float64
	sum, frames := 0.0, uint64(0)
	r.top = 0
	for t := range r.parts {
		x := &r.parts[t]
		sum += float64(x.bytes) + wireOverhead*float64(x.packets)
		sums[t] = sum
		frames += uint64(x.frames)
		if r.frames[t] = uint8(min(perSecond(frames, span), math.MaxUint8-temporals)) + 1; t > 0 {
			r.frames[t] = max(r.frames[t], r.frames[t-1]+1)
		}
		if x.packets > 0 {
			r.top = uint8(t)
		}
	}
	for t := range sums {
		r.last[t] = rate
		if t < int(r.top) {
			r.last[t] = uint32(float64(rate) * sums[t] / sum)
		}
	}
}

// perSecond returns how many of n within some ns there are in a second.
func perSecond(n uint64, span int64) uint32 {
	return uint32(min(float64(n)*1e9/float64(span), math.MaxUint32))
}

// load returns what a receiver's network has to carry of the stream up to a temporal layer, in bits per
// second. 0: that is not known. Every layer brings a keyframe now and then. So the calmer one of the last two
// measurements counts for what is shown already, the other for what is new.
func (st *stream) load(shown bool, temporal uint8) uint32 {
	r := &st.in.rated
	last, before := r.last[temporal], r.before[temporal]
	switch {
	case last == 0:
		return max(before, r.usual)
	case shown && before != 0:
		return min(last, before)
	}
	return max(last, before)
}

// top returns the highest temporal layer of the stream. It is 0 if there is none, or if not all frames can be
// told apart by them.
func (st *stream) top() uint8 {
	if st.format == nil || st.format.ID != codec.VP8 && st.format.ID != codec.VP9 && (st.format.ID != codec.AV1 || st.reading.layers == nil) {
		return 0
	}
	return st.in.rated.top
}
