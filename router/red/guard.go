package red

import "math"

// Step is one of the steps of redundancy.
type Step struct {
	Lost   float64 // for up to this share of lost packets
	Blocks int     // how many frames before it a packet carries
	Copies int     // how often it is sent again if the receiver takes no redundancy
}

// steps are the steps, the shallowest first. What is left of the loss p with k blocks is about p to the power
// of k+1; one in a hundred is the aim. More blocks cost bytes, and deeper ones come too late for short
// buffers. The same holds for copies. Each costs more than a block, as it has headers.
var steps = [...]Step{
	{0.02, 0, 0}, {0.08, 1, 1}, {0.20, 2, 2}, {0.35, 4, 4}, {0.50, 6, 5}, {0.60, 8, 6}, {0.70, 12, 6}, {1, 16, 6},
}

const (
	// down is for how long less redundancy must be enough before there is a step less, in ns. Lower follows
	// loss that comes and goes.
	down = 10e9
	// short and long are the times over which loss is averaged, in ns. The worse one counts.
	short, long = 500e6, 10e9
	// chance is how many lost packets of the short time may be by chance, so that one does not cost
	// redundancy for long.
	chance = 2
	// few and many are from how many packets on a share of lost ones says something, over the short time and
	// the long one.
	few, many = 20, 200
	// frame is how long a frame mostly is, in ns. adjacent is how close lost frames of one run are to each
	// other.
	frame, adjacent = 20e6, 30e6
	// longRun is beyond how many frames of a run of losses packets carry one more. Lower pays for chance.
	longRun = 1.5
	// mostShare is the share of what the network carries that redundancy may take. leastSpare is what it may
	// take anyway, in bit/s: if sound alone is sent, and much of it lost, it is not known what the network
	// carries.
	mostShare, leastSpare = 0.4, 150e3
	// standing is the length of a queue, in ns, that more bytes would make worse. Above it there is one block
	// at most.
	standing = 50e6
	// fullFor is for how long after a queue stood losses are put down to it, in ns. Longer leaves sound
	// without redundancy if a network that loses much is full as well.
	fullFor = 1e9
	// budgetStep is how often the share is looked at, in ns.
	budgetStep = 500e6
)

// average is counts that fade.
type average struct{ arrived, lost float64 }

func (a *average) add(arrived, lost, keep float64) {
	a.arrived = a.arrived*keep + arrived
	a.lost = max(a.lost*keep+lost, 0) // what is taken back may have faded
}

// share returns the share that was lost, with less of the lost packets not counted. It is 0 if there were
// fewer than least packets in all.
func (a *average) share(less, least float64) float64 {
	if a.arrived+a.lost < least {
		return 0
	}
	return max(a.lost-less, 0) / (a.arrived + a.lost)
}

// Guard follows what one receiver loses, and says by how much redundancy its sound is to be kept whole. The
// zero value is ready.
type Guard struct {
	short, long average
	tardy       float64 // the share that comes too late
	at          int64   // of the last Report
	full        int64   // when a queue stood last; 0: never
	step        int
	enough      int64 // since when a step less is enough, 0: it is not

	lastLost     int64   // when the last lost frame was sent
	frames, runs float64 // how long runs of losses were in all, and how many

	spent   int   // bytes of redundancy since looked
	copied  int   // of which in copies
	looked  int64 // when the share was looked at
	ceiling int   // blocks, or copies, that fit into the share, less 1 step; 0: as many as there are
}

// Lost takes that a frame of sound was lost that was sent at a time, in ns. Calls come in the order of
// sending, more or less.
func (g *Guard) Lost(sent int64) {
	apart := sent - g.lastLost
	if apart < 0 || apart > adjacent {
		g.runs++
		g.frames++
	} else {
		g.frames += float64(apart) / frame // several speakers' frames may be lost at once
	}
	g.lastLost = sent
}

// Tardy takes the share of packets that has come too late to be of use lately, if packets overtake each
// other; else 0. What looked like a queue before that was noticed was none.
func (g *Guard) Tardy(share float64) {
	if g.tardy == 0 && share > 0 {
		g.ceiling = 0
	}
	g.tardy = share
}

// Spent takes that so many bytes of redundancy were sent.
func (g *Guard) Spent(bytes int) { g.spent += bytes }

// Copied takes that so many bytes were sent again, if there can be no redundancy.
func (g *Guard) Copied(bytes int) {
	g.spent += bytes
	g.copied += bytes
}

// Report takes how many packets of all kinds have arrived and were lost since the last call. It also takes
// what the network carries, in bit/s, and how long packets wait on the way, in ns. lost is below 0 if more
// have arrived after all than were lost.
func (g *Guard) Report(now int64, arrived uint64, lost int64, carries float64, queue int64) {
	dt := float64(max(now-g.at, 0))
	g.at = now
	if queue > standing {
		g.full = now
	}
	if g.full != 0 && now-g.full < fullFor {
		lost = min(lost, 0) // a queue that overflows is not helped by more bytes: what is sent gets less
	}
	g.short.add(float64(arrived), float64(lost), math.Exp(-dt/short))
	keep := math.Exp(-dt / long)
	g.long.add(float64(arrived), float64(lost), keep)
	g.frames, g.runs = g.frames*keep, g.runs*keep
	g.follow(now)
	g.budget(now, carries, queue)
}

// Share returns the share that is lost of late, or comes too late.
func (g *Guard) Share() float64 {
	return max(g.short.share(chance, few), g.long.share(0, many), g.tardy)
}

// follow goes up at once, and down a step at a time.
func (g *Guard) follow(now int64) {
	lost, want := g.Share(), 0
	for steps[want].Lost < lost && want < len(steps)-1 {
		want++
	}
	switch {
	case want >= g.step:
		g.step, g.enough = want, 0
	case g.enough == 0:
		g.enough = now
	case now-g.enough >= down:
		g.step--
		g.enough = now
	}
}

// budget keeps redundancy within what the network has to spare.
func (g *Guard) budget(now int64, carries float64, queue int64) {
	if queue > standing {
		g.ceiling = 1
	}
	since := now - g.looked
	if since < budgetStep {
		return
	}
	used, spare := float64(g.spent)*8e9/float64(since), max(mostShare*carries, leastSpare)
	n := g.blocks()
	if 2*g.copied > g.spent {
		n = g.times()
	}
	g.spent, g.copied, g.looked = 0, 0, now
	switch {
	case queue > standing:
	case n == 0:
		g.ceiling = 0 // what limited it is over
	case used > spare:
		g.ceiling = max(int(float64(n)*spare/used), 1)
	case g.ceiling > 0 && used*float64(n+1) < spare*float64(n):
		g.ceiling = min(g.ceiling+1, MaxDepth)
	}
}

// blocks is how many blocks there are now.
func (g *Guard) blocks() int {
	k := steps[g.step].Blocks
	if k > 0 && g.run() > longRun {
		k++
	}
	if g.ceiling > 0 {
		k = min(k, g.ceiling)
	}
	return k
}

// mostApart bounds how far blocks are apart. Higher covers longer runs, and comes too late for short buffers.
const mostApart = 4

// MaxDepth is how many frames back the oldest block may be.
const MaxDepth = 16

// Pattern says which frames before it a packet carries: bit i for the one i+1 frames before. Runs of losses
// set them farther apart.
func (g *Guard) Pattern() (mask uint16) {
	apart := g.apart()
	for i, n := apart, g.blocks(); n > 0 && i <= MaxDepth; i, n = i+apart, n-1 {
		mask |= 1 << (i - 1)
	}
	return mask
}

// apart returns how far blocks are apart: half of what runs of losses are longer than chance has them.
func (g *Guard) apart() int {
	return min(max(int(math.Round(g.run()/2)), 1), mostApart)
}

// run returns how many frames a run of losses takes in the mean: 1 if by chance or alone, 0 if there was none
// of late.
func (g *Guard) run() float64 {
	if g.runs < 1 {
		return 0
	}
	return g.frames / g.runs * (1 - g.Share())
}

// again is how many frames back the packets are that are sent again with a packet, if there can be no
// redundancy. Farther back, fewer are lost in one run, and more come too late. Receivers wait for what often
// comes late, and for little else.
var again = [...]int{1, 2, 3, 5, 7, 9}

// Copies says which packets before it are sent again with a packet, likewise.
func (g *Guard) Copies() (mask uint16) {
	apart := g.apart()
	for _, back := range again[:g.times()] {
		if back *= apart; back <= MaxDepth {
			mask |= 1 << (back - 1)
		}
	}
	return mask
}

// times is how often packets are sent again now.
func (g *Guard) times() int {
	n := steps[g.step].Copies
	if g.ceiling > 0 {
		n = min(n, g.ceiling)
	}
	return n
}
