package signal

import "sync"

// maxReports is how many reports wait for a client that does not read. More are out of date by the time that
// it does.
const maxReports = 4

// reportQueue holds reports until they are written. A goroutine writes them while there are any.
type reportQueue struct {
	mu      sync.Mutex
	waiting [][]byte
	writing bool
}

// report has a report written. It does not wait: what finds the queue full takes the place of the one before,
// so that a client misses some, and not the last. It is not called
// after Session.Detached, so that pumps is not added to when that is waited for.
func (c *conn) report(message []byte) {
	q := &c.reports
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == maxReports {
		q.waiting[maxReports-1] = message
		return
	}
	q.waiting = append(q.waiting, message)
	if !q.writing {
		q.writing = true
		c.pumps.Go(c.writeReports)
	}
}

func (c *conn) writeReports() {
	for {
		message, ok := c.reports.next()
		if !ok {
			return
		}
		c.writing.Lock()
		if !c.parted {
			_ = c.writeLocked(message) // a fault of the connection shows when it is read
		}
		c.writing.Unlock()
	}
}

// next takes the oldest report. If there is none, writing ends.
func (q *reportQueue) next() (message []byte, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting, q.writing = nil, false
		return nil, false
	}
	message, q.waiting = q.waiting[0], q.waiting[1:]
	return message, true
}
