package turn

import "sync/atomic"

// Reason is why something was refused, or ended.
type Reason uint8

// These are the reasons.
const (
	Malformed      Reason = iota // no message of TURN, or too large
	Method                       // a request that no client of a relay needs
	Limited                      // more of one address, or of all, than strangers may ask
	Unauthorized                 // an unknown user name, one of a session that has ended, or a wrong password
	Expired                      // a new allocation by credentials that are too old for one
	ForeignPeer                  // a permission, a channel or data to anything but the media port
	NoAllocation                 // data without an allocation
	Quota                        // an allocation beyond a limit
	Family                       // an allocation for a family of addresses that the media port does not have
	SlowConnection               // a client that takes nothing any more
	IdleAllocation               // one that has carried nothing for a while; clients that use another way leave such
	IdleConnection               // a connection without an allocation for too long
	NumReasons
)

var reasonNames = [NumReasons]string{
	"malformed", "method", "limited", "unauthorized", "expired", "foreign_peer", "no_allocation", "quota", "family",
	"slow_connection", "idle_allocation", "idle_connection",
}

// String returns the reason's name in metrics.
func (r Reason) String() string { return reasonNames[r] }

// Stats is a snapshot of a Server's counters. Allocations and Connections are those at the moment.
type Stats struct {
	Allocations, Connections int
	PacketsIn, BytesIn       uint64 // from clients to the media port
	PacketsOut, BytesOut     uint64 // to clients
	Refused                  [NumReasons]uint64
}

type counters struct {
	packetsIn, bytesIn, packetsOut, bytesOut atomic.Uint64
	refused                                  [NumReasons]atomic.Uint64
}

func (c *counters) add(r Reason) { c.refused[r].Add(1) }

func (c *counters) in(n int) {
	c.packetsIn.Add(1)
	c.bytesIn.Add(uint64(n))
}

func (c *counters) out(n int) {
	c.packetsOut.Add(1)
	c.bytesOut.Add(uint64(n))
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	t := Stats{
		PacketsIn: s.count.packetsIn.Load(), BytesIn: s.count.bytesIn.Load(),
		PacketsOut: s.count.packetsOut.Load(), BytesOut: s.count.bytesOut.Load(),
	}
	for i := range t.Refused {
		t.Refused[i] = s.count.refused[i].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Allocations = s.relays
	for f := range s.fronts {
		if f.stream != nil {
			t.Connections++
		}
	}
	return t
}
