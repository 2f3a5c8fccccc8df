package router

import (
	"parlor/packet"
	"parlor/router/header"
)

// outgoing is what a room has in hand: packets that were taken in and not sent yet, and what it takes to
// write one.
type outgoing struct {
	free   []*media
	slots  [maxSlots]media
	runs   [maxRuns]run // packets taken in and not sent yet; the first open ones, the oldest first
	open   int
	copies *copies       // made when a payload is rewritten for the first time
	before header.Packet // of sound, carried once more by one that is in hand
	again  media         // of sound, sent again beside what is in hand
	blank  media         // see the function of that name
	fields header.Fields
	hdr    [header.MaxLen]byte
	// padding is zeros, but while a packet of them is sent.
	padding [maxPadding]byte
}

func (o *outgoing) init() {
	o.free = make([]*media, 0, maxSlots)
	for i := range o.slots {
		o.free = append(o.free, &o.slots[i])
	}
	for i := range o.runs {
		o.runs[i].packets = make([]*media, 0, maxRun)
	}
}

// run is what came of a stream since it was last sent.
type run struct {
	of      *stream
	packets []*media
}

// copies are scratch for payloads that are not sent as they came. There is one for each packet of the run
// that is being sent, and one for a packet that is sent alone.
type copies [maxRun + 1][headroom + packet.Size]byte

// alone is the scratch of a packet that is in no run.
const alone = maxRun

// scratch returns number i of the copies, for a payload to be written to.
func (o *outgoing) scratch(i uint8) *[headroom + packet.Size]byte {
	if o.copies == nil {
		o.copies = new(copies)
	}
	return &o.copies[i]
}

// maxRun is how many packets of a stream are sent to a sink in one go. Packets that come together, as those
// of a video frame do, then leave as neighbours. Segmentation offload sends neighbours at a fraction of the
// cost. Nothing is waited for: a run has what is there. Higher delays the last sinks of a large room for the
// sake of the first.
const maxRun = 8

// maxRuns is for how many streams runs are kept at a time, as the packets of publishers come interleaved.
// maxSlots is for how many packets in all, those in hand included. Beyond, the oldest run is sent. A slot
// takes about 250 bytes of each room.
const (
	maxRuns  = 8
	maxSlots = 4*maxRun + 1
)

// headroom is what a rewritten descriptor or the number of a retransmission needs in front of a payload.
const headroom = 16

// slot returns an empty slot for a packet. Whoever takes it gives it to a run or frees it.
func (c *core) slot() *media {
	if len(c.out.free) == 0 {
		c.sendOldest()
	}
	last := len(c.out.free) - 1
	m := c.out.free[last]
	c.out.free = c.out.free[:last]
	return m
}

// free gives a slot back.
func (c *core) free(m *media) { c.out.free = append(c.out.free, m) }

// runFor returns a run of the stream with room for another packet.
func (c *core) runFor(st *stream) *run {
	for i := range c.out.runs[:c.out.open] {
		if r := &c.out.runs[i]; r.of == st {
			if len(r.packets) == maxRun {
				c.sendRun(r)
			}
			return r
		}
	}
	if c.out.open == maxRuns {
		c.sendOldest()
	}
	r := &c.out.runs[c.out.open]
	r.of = st
	c.out.open++
	return r
}

// sendOldest sends the run that was begun first.
func (c *core) sendOldest() {
	r := c.out.runs[0]
	c.sendRun(&r)
	copy(c.out.runs[:c.out.open], c.out.runs[1:c.out.open])
	c.out.open--
	c.out.runs[c.out.open] = run{packets: r.packets}
}

// sendRuns sends what forward has put off. Whatever changes the sinks of a stream calls it first.
func (c *core) sendRuns() {
	for i := range c.out.runs[:c.out.open] {
		c.sendRun(&c.out.runs[i])
		c.out.runs[i].of = nil
	}
	c.out.open = 0
}

// sendRun sends the packets of a run, to one sink after the other, and empties it.
func (c *core) sendRun(r *run) {
	for i, m := range r.packets {
		m.copy = uint8(i)
	}
	for _, s := range r.of.sinks {
		for _, m := range r.packets {
			c.send(s, m)
		}
	}
	c.out.free = append(c.out.free, r.packets...)
	r.packets = r.packets[:0]
}
