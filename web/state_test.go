package web_test

import (
	"fmt"
	"strings"
	"time"
)

// What a page tells of itself if a test fails. The output of a run may be cut to its last lines, so this is
// short, and stands in the message of the assertion that failed.

// looks is a page in words: the last that its client told it, what flows, and what can be read in it.
const looks = `(async () => {
	const of = window.probe?.parlor ?? window.parlor ?? window.trtc
	const lines = []
	const add = (what, made) => { try { const text = made(); if (text) lines.push(what + ': ' + text) } catch (err) { lines.push(what + ': ' + err) } }
	add('page', () => location.href.replace(/token=[^&]*/, 'token=…') + ' ' + JSON.stringify(document.body.dataset) + ' ' + document.visibilityState)
	add('client', () => of && [of.connectionState, 'with', of.remoteUsers].join(' '))
	const told = window.probe?.events ?? (Array.isArray(window.heard) ? window.heard.filter((e) => e.name !== 'AUDIO_VOLUME') : [])
	add('was told, s ago', () => told.slice(-12).map(({ at, name, prevState, ...e }) =>
		(at ? ((performance.timeOrigin + performance.now() - at) / 1000).toFixed(1) + ' ' : '') + name + ' ' + Object.values(e).filter((v) => ['string', 'number', 'boolean'].includes(typeof v)).join(' ')).join('; '))
	add('timers came late by ms in the last 30 s', () => window.probe?.late.filter((l) => l.ms > 200 && l.at > probe.now() - 30000).map((l) => Math.round(l.ms)).join(', '))
	const within = (p) => Promise.race([p, new Promise((r) => setTimeout(r, 1000, null))])
	const stats = [...(await within(Promise.resolve(window.whip?.session?.pc.getStats() ?? of?.getStats?.()).catch(() => null)) ?? new Map()).values()]
	const whose = (id) => of?.remoteUsers?.flatMap((userId) => ['main', 'sub', ''].filter((streamType) => {
		try { return (streamType ? of.getVideoTrack({ userId, streamType }) : of.getAudioTrack({ userId }))?.id === id } catch { return false }
	}).map((s) => userId + ' ' + s))[0] ?? ''
	add('connection', () => stats.filter((s) => s.type === 'transport').map((s) => [s.iceState, s.dtlsState].join(' ')).join())
	add('comes', () => stats.filter((s) => s.type === 'inbound-rtp').map((s) => [whose(s.trackIdentifier), s.kind, s.frameWidth ?? '', s.packetsReceived, 'packets', s.packetsLost, 'lost',
		s.kind === 'video' ? s.framesDecoded + ' frames ' + (s.freezeCount ?? '') + ' freezes' : s.totalSamplesReceived + ' samples ' + s.concealedSamples + ' concealed'].join(' ')).slice(0, 12).join('; '))
	add('goes', () => stats.filter((s) => s.type === 'outbound-rtp').map((s) => [s.kind, s.rid ?? '', s.active === false ? 'off' : '', s.frameWidth ?? '', s.packetsSent, 'packets', s.framesEncoded ?? '', s.qualityLimitationReason ?? ''].join(' ')).join('; '))
	add('reads', () => document.body.innerText.replace(/\s+/g, ' ').slice(0, 600))
	return lines
})()`

// describe is how the page is now, a line each, with the end of its console.
func (p *person) describe() string {
	p.looked.Store(true)
	ctx, cancel := contextAfterTest()
	defer cancel()
	var lines []string
	if err := p.page.Eval(ctx, looks, &lines); err != nil {
		lines = append(lines, fmt.Sprintf("it does not answer: %v", err))
	}
	console := p.page.Console()
	for _, m := range console[max(0, len(console)-8):] {
		lines = append(lines, fmt.Sprintf("console: %s %.300s", m.Level, m.Text))
	}
	return p.name + "'s " + strings.Join(lines, "\n\t")
}

// wait waits until the condition holds in the page, and stores its value. If it does not in time, the test stops
// with what the page looks like.
func (p *person) wait(most time.Duration, condition string, out any, what string, given ...any) {
	p.t.Helper()
	if err := p.page.Wait(within(p.t, most), condition, out); err != nil {
		p.t.Fatalf("%s %s: %v\n\t%s", p.name, fmt.Sprintf(what, given...), err, p.describe())
	}
}
