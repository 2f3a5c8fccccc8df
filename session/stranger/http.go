package stranger

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"parlor/session/remote"
)

// Handler has requests pay before next answers them, and for the bytes of the answer afterwards. Requests for
// which enters reports true are bounded as entries as well. A client that is refused has not entered, unless
// Entered says so. If asksRight says that a right is asked for, a client that is answered well gets back what
// it has paid. Files are cheap, and are waited for longer.
func (b *Budget) Handler(next http.Handler, asksRight, enters, file func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := remote.Of(r).Site()
		if file(r) {
			b.serveFile(w, r, site, next)
			return
		}
		if err := b.pay(r.Context(), site, requestPrice, Requests); err != nil {
			refuse(w, err)
			return
		}
		m := &meter{ResponseWriter: w}
		if enters(r) {
			if err := b.enter(r.Context(), site); err != nil {
				refuse(w, err)
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), meterKey{}, m))
		}
		next.ServeHTTP(m, r)
		if enters(r) && m.status/100 != 2 && !m.entered {
			b.notEntered(site)
		}
		if asksRight(r) && m.status/100 == 2 {
			b.giveBack(site, requestPrice+connOf(r).refund())
			return
		}
		b.charge(site, time.Duration(m.bytes)*bytePrice)
	})
}

// serveFile has next answer a request for a file once there is a share for it.
func (b *Budget) serveFile(w http.ResponseWriter, r *http.Request, site netip.Prefix, next http.Handler) {
	if err := b.payWithin(r.Context(), site, filePrice, Requests, filePatience); err != nil {
		refuse(w, err)
		return
	}
	m := &meter{ResponseWriter: w}
	next.ServeHTTP(m, r)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cpu.owe(time.Now(), site, time.Duration(m.bytes)*fileByte)
	b.cpu.forFile(site, filePrice+time.Duration(m.bytes)*fileByte)
}

// charge has a site pay for what is done already.
func (b *Budget) charge(site netip.Prefix, price time.Duration) {
	b.mu.Lock()
	b.cpu.owe(time.Now(), site, price)
	b.mu.Unlock()
}

// refuse answers a client that has used its share. Nobody reads the answer if the request's context has
// ended.
func refuse(w http.ResponseWriter, err error) {
	var busy *Busy
	if !errors.As(err, &busy) {
		return
	}
	w.Header().Set("Retry-After", strconv.Itoa(busy.Seconds()))
	w.Header().Set("Connection", "close")
	http.Error(w, busy.Error(), http.StatusTooManyRequests)
}

// meterKey is the context key of a *meter.
type meterKey struct{}

// Entered says that a client has entered by the request of that context, though it may be refused yet.
// Handlers call it before they return.
func Entered(ctx context.Context) {
	if m, ok := ctx.Value(meterKey{}).(*meter); ok {
		m.entered = true
	}
}

// meter sees an answer's status and counts its bytes.
type meter struct {
	http.ResponseWriter
	status  int
	bytes   int64
	entered bool
}

// WriteHeader implements http.ResponseWriter.
func (m *meter) WriteHeader(status int) {
	if m.status == 0 && status >= http.StatusOK {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (m *meter) Write(p []byte) (int, error) {
	if m.status == 0 {
		m.status = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(p)
	m.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }
