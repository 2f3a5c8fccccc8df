package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"time"
)

const (
	// orderTime bounds an order. Higher lets a slow authority keep the other hosts waiting for longer.
	orderTime = 3 * time.Minute
	// firstRetry is after how long an order that has failed is given again; it doubles up to lastRetry. Let's
	// Encrypt allows five failures an hour of a host. Lower meets that limit.
	firstRetry = 4 * time.Minute
	lastRetry  = 6 * time.Hour
	// longest bounds what an authority may have one wait for.
	longest = 24 * time.Hour
	// look is how often it is looked whether something is due, since the machine's clock may be set.
	look = time.Hour
)

// renewal returns when a certificate is to be renewed: when a third of its time is left, a little earlier as
// chance has it. So nodes that started together do not order together.
func renewal(leaf *x509.Certificate) time.Time {
	third := max(0, leaf.NotAfter.Sub(leaf.NotBefore)) / 3
	return leaf.NotAfter.Add(-third - time.Duration(rand.Int64N(int64(third/10)+1)))
}

// Run orders certificates whenever one is due, one after the other, until ctx is done. Whatever fails is
// logged, counted, and tried again later.
func (m *Manager) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := m.hosts[0]
		for _, h := range m.hosts[1:] {
			if h.due.Before(next.due) {
				next = h
			}
		}
		if wait := time.Until(next.due); wait > 0 {
			m.sleep(ctx, min(wait, look))
			continue
		}
		m.attempt(ctx, next)
	}
	return nil
}

// sleep waits for as long as given, until Again was called, or until ctx is done.
func (m *Manager) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-m.again:
		for _, h := range m.hosts {
			if h.failures > 0 {
				h.due = time.Now()
			}
		}
	}
}

// Again has orders that have failed given again at once.
func (m *Manager) Again() {
	select {
	case m.again <- struct{}{}:
	default: // somebody has asked for that already
	}
}

// attempt orders the certificate of a host, and says when to order the next.
func (m *Manager) attempt(ctx context.Context, h *host) {
	log := m.o.Log.With().Str("host", h.name).Logger()
	kinds := m.kinds()
	kind := kinds[h.failures%len(kinds)]
	log.Info().Str("authority", m.o.Directory).Str("check", kind).Msg("a certificate is ordered")
	bounded, cancel := context.WithTimeout(ctx, orderTime)
	got, err := m.order(bounded, h.name, kind)
	cancel()
	switch {
	case err != nil && ctx.Err() != nil:
		return
	case err != nil:
		m.failed(h, err)
		return
	}
	h.shown.Store(got)
	h.orders[issued].Add(1)
	h.failures, h.due = 0, renewal(got.Leaf)
	if now := time.Now(); !h.due.After(now) { // the machine's clock is ahead, say: no order is any better
		h.due = now.Add(firstRetry)
	}
	log.Info().Time("until", got.Leaf.NotAfter).Time("renewed_at", h.due).Msg("certificate got")
	if err := m.store.keep(h.name, got); err != nil {
		h.orders[unkept].Add(1)
		log.Error().Err(err).Str("do", "make "+m.o.Dir+" writable (http.acme.store_dir); otherwise another certificate is ordered with each start, "+
			"and authorities allow few").Msg("a certificate is shown, and could not be kept")
	}
}

// failed says what has failed, and when it is tried again.
func (m *Manager) failed(h *host, err error) {
	what := judge(err)
	h.orders[what.result].Add(1)
	wait := min(firstRetry<<min(h.failures, 10), lastRetry)
	wait -= rand.N(wait / 10)
	h.failures++
	wait = min(max(wait, what.wait), longest)
	h.due = time.Now().Add(wait)
	log := m.o.Log.Error().Err(err).Str("host", h.name).Stringer("result", what.result).Str("do", what.do).Time("again_at", h.due)
	shown := "there is no certificate of the host, so browsers do not get in"
	if c := h.shown.Load(); c != nil {
		shown = "the certificate before stays"
		log.Time("until", c.Leaf.NotAfter)
	}
	log.Msg("no certificate was got; " + shown)
}

// kinds are the ways in which the authority may check a host, the best first.
func (m *Manager) kinds() []string {
	if m.o.Plain {
		return []string{"http-01", "tls-alpn-01"}
	}
	return []string{"tls-alpn-01"}
}

// answer has those who check a host told what they want to hear, until the function returned is called.
func (m *Manager) answer(name string, c *tls.Certificate, path, text string) func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c != nil {
		m.answers[name] = c
	} else {
		m.texts[path] = text
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.answers, name)
		delete(m.texts, path)
	}
}
