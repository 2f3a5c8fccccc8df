package sfu

import (
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"parlor/config"
)

const (
	// eventMemory is how many bytes of memory the NATS server takes for an event that is on disk; measured.
	// It takes them since each room has subjects of its own.
	eventMemory = 512
	// eventShare says which part of the memory all of them may take: one in eventShare. Lower keeps more
	// events on small machines.
	eventShare = 64
	// fewestEvents and mostEvents bound what follows from these.
	fewestEvents, mostEvents = 10_000, 500_000
)

// eventsMax returns how many events the stream keeps; 0: there is no such bound.
func eventsMax(c config.NATS) int64 {
	if c.EventsMax > 0 || c.URL != "" {
		return int64(c.EventsMax)
	}
	return eventsFor(machineMemory())
}

// eventsFor returns how many events a server inside a process with so many bytes keeps.
func eventsFor(memory uint64) int64 {
	return int64(min(max(memory/eventShare/eventMemory, fewestEvents), mostEvents))
}

// machineMemory returns how many bytes this process may use, by the machine and by its control group; 0: it
// is not known.
func machineMemory() uint64 {
	var all uint64
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if m, err := fs.Meminfo(); err == nil && m.MemTotal != nil {
			all = *m.MemTotal << 10
		}
	}
	text, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return all
	}
	// Otherwise it is "max".
	if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && (all == 0 || limit < all) {
		return limit
	}
	return all
}
