package sent

// Fate is what a report has said of a packet, and is new.
type Fate uint8

// The fates.
const (
	Unknown Fate = iota // the number has left the ring, or was never given
	Known               // nothing new
	First               // its first arrival
	Late                // its first arrival, after it was booked as lost: this is to be taken back
)

// Begin begins a report, all the feedback of one compound, that came at now, in ns. Lost ends it.
func (r *Ring) Begin(now int64) {
	r.report = now
	r.late -= r.late / lateFading
	if r.parity == missing0 {
		r.parity = missing1
	} else {
		r.parity = missing0
	}
}

// Arrived takes that a packet has arrived. The packet is meaningful if the fate is First or Late.
func (r *Ring) Arrived(seq uint16) (Packet, Fate) {
	e := r.find(seq)
	if e == nil {
		return Packet{}, Unknown
	}
	fate := First
	switch e.state() {
	case arrived:
		return Packet{}, Known
	case lost:
		fate = Late
		r.late = max(r.late, min(r.age(e), LateMost/tick))
	}
	e.become(arrived)
	p := r.packet(e)
	p.Seq = seq
	return p, fate
}

// age is how long before the last report a packet was sent, in ticks.
func (r *Ring) age(e *entry) int64 { return r.report/tick - (r.now - int64(uint32(r.now)-e.at)) }

// Missing takes that a packet has not arrived yet. It says whether this is the first time.
func (r *Ring) Missing(seq uint16) bool {
	e := r.find(seq)
	if e == nil {
		return false
	}
	if e.state() != flying {
		return false
	}
	e.become(r.parity)
	if !r.waiting {
		r.waiting, r.from, r.to = true, seq, seq
	}
	if after(r.from, seq) {
		r.from = seq
	}
	r.cursor = r.from
	if !after(r.to, seq) {
		r.to = seq + 1
	}
	return true
}

// Lost returns a packet that is booked as lost now; false if there is none left. It is to be called until
// then at the end of each report, and may be at other times. Two kinds of packets are spared until Patience
// is over. The last report was the first one to say them missing, or they were sent less long ago than
// packets that came late have needed.
func (r *Ring) Lost(now int64) (Packet, bool) {
	if !r.waiting {
		return Packet{}, false
	}
	for ; r.cursor != r.to; r.cursor++ {
		e := r.find(r.cursor)
		if e == nil || !e.isMissing() {
			continue
		}
		if now-r.report < Patience && (e.state() == r.parity || r.age(e) < r.late) {
			if !r.spared {
				r.spared, r.from = true, r.cursor
			}
			continue
		}
		e.become(lost)
		r.cursor++
		p := r.packet(e)
		p.Seq = r.cursor - 1
		return p, true
	}
	r.waiting, r.spared, r.cursor = r.spared, false, r.from
	return Packet{}, false
}
