package signal

import (
	"bytes"
	"testing"
)

// BenchmarkReport has a report of the usual size written to a client that reads.
func BenchmarkReport(b *testing.B) {
	c, ws := reporting(b)
	message := bytes.Repeat([]byte("x"), 300)
	go func() {
		for {
			if _, _, err := ws.Reader(b.Context()); err != nil {
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c.report(message)
		c.pumps.Wait()
	}
}
