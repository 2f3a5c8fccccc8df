package bwe

// What turning these costs is said of each.
const (
	// orderFading is over how many packets it is averaged whether they overtake each other. More notice later
	// that it is over.
	orderFading = 256
	// overtaking is the share of packets that must come out of order for delays to say how long others may
	// yet take. Lower lets a few that lose their way hold back what is asked for.
	overtaking = 0.02
	// swapped is by how much earlier a packet must come than one before it, in ns. Times are kept in steps.
	swapped = 1e6
	// lateSpan is a part of the time that is looked back on for how late packets came, in ns, and lateParts
	// how many there are. More of them wait for longer after the worst is over.
	lateSpan  = 1e9
	lateParts = 8
	// tardyFading is a second, smaller number of packets over which the share is averaged that comes too late
	// for sound to wait for it. tardyChance is subtracted from that average. Less takes a few packets for
	// many. More repairs sound later when delays begin to jump about.
	tardyFading, tardyChance = 32, 0.1
	// tardyFrom is from how late on a packet is one of those for which sound does not wait, in ns.
	tardyFrom = 120e6
	// latestMost bounds how late a packet counts as, in ns.
	latestMost = 2e9
)

// Order is whether packets overtake each other, and how much later than the soonest they come. The zero value
// is ready.
type Order struct {
	sent, arrived    int64   // the last ones, in ns
	overtaken, tardy float64 // the shares that came out of order, and much later than they might, of late
	suddenly         float64 // the latter, over fewer packets
	parts            [lateParts]latest
	part             int64 // the last one
}

// latest is how late the latest two packets came, in ns. One alone may have lost its way.
type latest struct{ first, second int64 }

// Packet takes a packet: when it was sent, by our clock, when it arrived, by the receiver's, and how late
// Estimator.Packet has it, in ns. Calls come as there.
func (o *Order) Packet(sent, arrived, late int64) {
	out, tardy := 0.0, 0.0
	if abs(arrived-o.arrived) > leap || abs(sent-o.sent) > leap {
		o.sent, o.arrived = sent, arrived
	} else if arrived < o.arrived-swapped || sent < o.sent {
		out = 1
	}
	if late > tardyFrom {
		tardy = 1
	}
	o.overtaken += (out - o.overtaken) / orderFading
	o.tardy += (tardy - o.tardy) / orderFading
	o.suddenly += (tardy - o.suddenly) / tardyFading
	o.sent, o.arrived = max(o.sent, sent), max(o.arrived, arrived)
	late = min(late, latestMost)
	switch x := &o.parts[o.part%lateParts]; {
	case late > x.first:
		x.first, x.second = late, x.first
	case late > x.second:
		x.second = late
	}
}

// Turn goes on to now, by our clock.
func (o *Order) Turn(now int64) {
	part := max(now, 0) / lateSpan
	if part < o.part || part-o.part >= lateParts {
		o.parts = [lateParts]latest{}
		o.part = part
	}
	for o.part < part {
		o.part++
		o.parts[o.part%lateParts] = latest{}
	}
}

// Late returns how much later than the soonest packets may come, in ns, if they overtake each other. It also
// returns the share that comes so late that sound does not wait for it. Both are 0 if packets keep their
// order.
func (o *Order) Late() (most int64, tardy float64) {
	if o.overtaken < overtaking {
		return 0, 0
	}
	for i := range o.parts {
		most = max(most, o.parts[i].second)
	}
	return most, max(o.tardy, o.suddenly-tardyChance)
}
