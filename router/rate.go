package router

import "math"

// rated is what a stream brings in a second, by its last two measurements.
type rated struct {
	at             int64  // of the last one; 0: there was none since the stream began
	bytes, packets uint64 // where they stood
	last, before   uint32 // what a receiver's network has to carry, in bits per second; 0: not known
	usual          uint32 // the same, of a layer that is off, before it was
}

// measuring is the time over which the rate of a layer is measured, in ns. Longer rides out keyframes, shorter finds sooner
// which layer is which. measuringFirst is that of its first measurement.
const (
	measuring      = 1e9
	measuringFirst = 250e6
)

// measure takes the rate of the stream, and forgets it where the stream stands still.
func (st *stream) measure(now int64) {
	r, in := &st.in.rated, &st.in
	span := int64(measuring)
	if r.last == 0 {
		span = measuringFirst
	}
	switch {
	case !st.live:
		was := max(r.last, r.before, r.usual)
		if *r, st.size.Rate = (rated{}), 0; st.obtainable(now) {
			r.usual = was
		}
		return
	case r.at != 0 && now-r.at < span:
		return
	case r.at != 0:
		bytes, packets := in.bytes-r.bytes, in.packets-r.packets
		st.size.Rate = perSecond(bytes, now-r.at)
		r.before, r.last = r.last, perSecond(8*(bytes+wireOverhead*packets), now-r.at)
	}
	r.at, r.bytes, r.packets = now, in.bytes, in.packets
}

// perSecond returns how many of n within some ns there are in a second.
func perSecond(n uint64, span int64) uint32 {
	return uint32(min(float64(n)*1e9/float64(span), math.MaxUint32))
}

// load returns what a receiver's network has to carry of the stream, in bits per second; 0 where that is not known. Every layer brings a
// keyframe now and then: to what is shown already the calmer one of the last two measurements counts, to what is new the other.
func (st *stream) load(shown bool) uint32 {
	r := &st.in.rated
	switch {
	case r.last == 0:
		return r.usual
	case shown && r.before != 0:
		return min(r.last, r.before)
	}
	return max(r.last, r.before)
}
