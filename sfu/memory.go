package sfu

import (
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"parlor/config"
)

const (
	// eventMemory is what the NATS server keeps in memory for an event that is on disk, since each room has subjects of its own; measured.
	eventMemory = 512
	// eventShare is the part of the machine's memory that all of them may take. Lowering it keeps more events on small machines.
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

// machineMemory returns how many bytes this process may use, by the machine and by its control group; 0: it is not known.
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
	if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && (all == 0 || limit < all) { // else it is "max"
		return limit
	}
	return all
}
