package negotiate_test

import (
	"slices"
	"testing"

	"parlor/transport/negotiate"
)

// BenchmarkAnswer is what a join takes of negotiation: the offer read, and the answer written.
func BenchmarkAnswer(b *testing.B) {
	all := offers(b)
	var names []string
	for n := range all {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		b.Run(n, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(all[n])))
			for b.Loop() {
				o, err := negotiate.ParseOffer(all[n])
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := o.Answer(params()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
