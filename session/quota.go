package session

import "time"

// What one user may send during any second.
const (
	quotaMessages = 30
	quotaBytes    = 8 << 10
)

// quota is what a user has sent during the last second: a window that slides, so that no second ever has
// more.
type quota struct {
	at    [quotaMessages]time.Time // a ring; the oldest at first
	size  [quotaMessages]uint16    // bytes
	first int
	n     int
	bytes int // sum of size
}

// allows reports whether a message of size bytes may be sent now.
func (q *quota) allows(now time.Time, size int) bool {
	for q.n > 0 && now.Sub(q.at[q.first]) >= time.Second {
		q.bytes -= int(q.size[q.first])
		q.first = (q.first + 1) % quotaMessages
		q.n--
	}
	return q.n < quotaMessages && q.bytes+size <= quotaBytes
}

// take notes a message that allows has let through.
func (q *quota) take(now time.Time, size int) {
	i := (q.first + q.n) % quotaMessages
	q.at[i], q.size[i] = now, uint16(size)
	q.n++
	q.bytes += size
}
