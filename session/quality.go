package session

import "time"

// NetworkQuality is how good a connection is. The numbers are part of the protocol.
type NetworkQuality int

// The qualities.
const (
	QualityUnknown   NetworkQuality = 0
	QualityExcellent NetworkQuality = 1
	QualityGood      NetworkQuality = 2
	QualityPoor      NetworkQuality = 3
	QualityBad       NetworkQuality = 4
	QualityVeryBad   NetworkQuality = 5
	QualityDown      NetworkQuality = 6
)

// direction is what one way of a connection does, over the time of a report.
type direction struct {
	expected, lost uint64        // packets, before repair
	rtt            time.Duration // 0: not known
	down           bool
}

// fewPackets is the least number of packets of which a share of lost ones says something. Lower takes one
// lost packet for a bad network.
const fewPackets = 10

// loss returns the share of lost packets, 0–1; known is false if there were too few packets.
func (d direction) loss() (share float64, known bool) {
	if d.expected < fewPackets {
		return 0, false
	}
	return float64(d.lost) / float64(d.expected), true
}

// quality returns the worse of what loss and round trip say, by the bounds that applications rely on.
func (d direction) quality() NetworkQuality {
	loss, known := d.loss()
	switch {
	case d.down:
		return QualityDown
	case !known && d.rtt == 0 || d.expected == 0:
		return QualityUnknown
	}
	for _, b := range [...]struct {
		loss float64
		rtt  time.Duration
		q    NetworkQuality
	}{
		{0.5, 500 * time.Millisecond, QualityVeryBad}, {0.3, 350 * time.Millisecond, QualityBad},
		{0.2, 200 * time.Millisecond, QualityPoor}, {0.1, 100 * time.Millisecond, QualityGood},
	} {
		if loss > b.loss || d.rtt > b.rtt {
			return b.q
		}
	}
	return QualityExcellent
}
