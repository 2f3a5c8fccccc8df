package pace

// Debt is what has been sent to a receiver and has not gone yet, if its network carries what it is thought to: a leaky bucket whose level is
// the time that this takes. The zero value counts nothing. Times are in ns.
type Debt struct {
	byteTime int64 // for how long a byte takes the network; 0: there is so much room that nothing is counted
	paid     int64 // when all that was sent will have gone
}

// Rate tells what may be sent, in bits per second; 0: there is room for everything, and nothing is counted.
func (d *Debt) Rate(rate float64) {
	if rate <= 0 {
		*d = Debt{}
		return
	}
	d.byteTime = int64(8e9 / rate)
}

// Sent counts what was sent.
func (d *Debt) Sent(now int64, size int) {
	if d.byteTime != 0 {
		d.paid = max(d.paid, now) + int64(size)*d.byteTime
	}
}

// Owes returns how long the network has to work off what was sent.
func (d *Debt) Owes(now int64) int64 { return max(d.paid-now, 0) }
