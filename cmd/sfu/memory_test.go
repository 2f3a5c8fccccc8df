package main

import "testing"

func TestTidyWaitsForQuiet(t *testing.T) {
	const mb = 1 << 20
	var d tidy
	for i, step := range []struct {
		allocated, inUse uint64
		want             bool
	}{
		{20 * mb, 10 * mb, false}, // the start
		{20 * mb, 10 * mb, true},  // over
		{20*mb + 1000, 10 * mb, false},
		{21 * mb, 10 * mb, false}, // not much
		{21 * mb, 10 * mb, false},
		{60 * mb, 30 * mb, false}, // many join
		{90 * mb, 40 * mb, false},
		{90*mb + 400<<10, 40 * mb, true}, // and that is over
		{91*mb + 300<<10, 40 * mb, false},
		{94 * mb, 40 * mb, false},
		{94 * mb, 40 * mb, false}, // less than an eighth of what is in use
		{96 * mb, 40 * mb, false},
		{96 * mb, 40 * mb, true},
	} {
		if got := d.due(step.allocated, step.inUse); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	for i := range 3 * tidyAgain {
		if got := d.due(96*mb, 20*mb); got != (i == tidyAgain-1) {
			t.Errorf("look %d after it: %v", i+1, got)
		}
	}
}
