package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profiles are what is kept of a node that serves /debug/pprof/ (debug.listen), beside the CPU profile of the
// window. They are taken afterwards: the heap, contended locks, goroutines, and an execution trace. The
// command `go tool trace -pprof=sched` makes the latencies of the scheduler out of that trace.
var profiles = []struct{ file, path string }{
	{"heap.pprof", "/debug/pprof/heap?gc=1"},
	{"mutex.pprof", "/debug/pprof/mutex"},
	{"goroutines.pprof", "/debug/pprof/goroutine"},
}

const traceTime = 2 * time.Second

// profileCPU collects for d and writes cpu.pprof into the directory.
func (n *node) profileCPU(ctx context.Context, dir string, d time.Duration) error {
	return n.fetch(ctx, filepath.Join(dir, "cpu.pprof"), fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(int(d.Seconds()), 1)))
}

// profileRest writes the other profiles. Media has to be flowing for the trace to tell anything.
func (n *node) profileRest(ctx context.Context, dir string) error {
	err := n.fetch(ctx, filepath.Join(dir, "trace.out"), fmt.Sprintf("/debug/pprof/trace?seconds=%d", int(traceTime.Seconds())))
	for _, p := range profiles {
		err = errors.Join(err, n.fetch(ctx, filepath.Join(dir, p.file), p.path))
	}
	return errors.Join(err, n.save(ctx, filepath.Join(dir, "metrics.txt"), n.url+"/metrics"))
}

// fetch keeps a profile.
func (n *node) fetch(ctx context.Context, file, path string) error {
	if n.debug == "" {
		return errors.New("profile: the node serves none; start it with --debug.listen 127.0.0.1:6060")
	}
	return n.save(ctx, file, n.debug+path)
}

func (n *node) save(ctx context.Context, file, url string) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: status %d", url, res.StatusCode)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, res.Body); err != nil {
		_ = f.Close()
		return fmt.Errorf("profile: %w", err)
	}
	return f.Close()
}
