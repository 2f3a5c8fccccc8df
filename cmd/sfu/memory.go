package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapGrowth is how far the heap may grow over what is in use before it is collected, in percent, if GOGC
// does not say otherwise. Forwarding allocates nothing, so collections come from signalling and joins. Higher
// makes joins cheaper (of 300 over WebSocket, 32 at a time: 1.83 ms at 50, 1.63 at 100, 1.50 at 200). It
// leaves the heap more scattered after them (63, 58 and 68 KB resident per subscriber). What is garbage when
// it gets quiet is tidied up.
const heapGrowth = 100

const (
	// tidyEvery is how often it is looked whether to tidy up.
	tidyEvery = 2 * time.Second
	// tidyAfter is how many bytes at least are allocated between two times of tidying up. Each costs a
	// collection: some 8 ms for a node of a hundred users. Higher leaves more of what joins needed resident,
	// lower collects more often.
	tidyAfter = 1 << 20
	// tidyAgain is after how many looks it is tidied up once more: by then DTLS of the clients that have
	// joined is at rest.
	tidyAgain = 6
	// quietBytes is how little is allocated in tidyEvery while nobody joins.
	quietBytes = 512 << 10
)

// tidy decides when memory that joins and the like have needed is given back to the system. Without it a
// quiet node stays as large as its busiest moment made it: it allocates next to nothing, and so hardly ever
// collects.
type tidy struct {
	base uint64 // bytes allocated, ever, when it was last tidied up
	last uint64 // and when it was last looked

	again int // looks until once more; 0: not
}

// due is told the bytes allocated so far and the bytes in use. It says whether to tidy up now: much was
// allocated, and that is over.
func (t *tidy) due(allocated, inUse uint64) bool {
	quiet := allocated-t.last < max(quietBytes, inUse/64)
	t.last = allocated
	if !quiet {
		return false
	}
	if allocated-t.base >= max(tidyAfter, inUse/8) {
		t.base, t.again = allocated, tidyAgain
		return true
	}
	if t.again > 0 {
		t.again--
		return t.again == 0
	}
	return false
}

// keepTidy tidies up until ctx is done, unless GOGC says that somebody else has thought about memory.
func keepTidy(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(heapGrowth)
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	var t tidy
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		metrics.Read(sample)
		if t.due(sample[0].Value.Uint64(), sample[1].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
