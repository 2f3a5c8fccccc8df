package web_test

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

//go:embed testdata/probe.js
var probe string

// person is a user in a page of the node. Its methods fail the test when the page does not do as told.
type person struct {
	t    *testing.T
	name string
	page *browser.Page

	looked atomic.Bool // the test has told how the page is: describe()

	called, entered float64 // when enterRoom was called and when it was through; ms since the epoch
}

// entry is what a person enters with, as the probe takes it.
type entry struct {
	Room     string   `json:"room"`
	User     string   `json:"user"`
	Token    string   `json:"token,omitempty"`
	Tokens   []string `json:"tokens,omitempty"` // instead: what the client is given when it asks, one by one
	Role     string   `json:"role,omitempty"`
	Scene    string   `json:"scene,omitempty"`
	Quality  string   `json:"quality,omitempty"`
	Adaptive *bool    `json:"adaptive,omitempty"` // whether pictures come as large as they show; nil: yes
	Video    any      `json:"video,omitempty"`    // options of startLocalVideo; false: none
	Audio    any      `json:"audio,omitempty"`
	// Encryption is the option of Parlor.create, Secret the passphrase that all share.
	Encryption any    `json:"encryption,omitempty"`
	Secret     string `json:"secret,omitempty"`
	Seats      any    `json:"seats,omitempty"` // how many to prepare: {initial, chunk, max}
}

// event is what the client told the page.
type event struct {
	Name     string  `json:"name"`
	At       float64 `json:"at"` // ms since the epoch
	UserID   string  `json:"userId"`
	Reason   *int    `json:"reason"`
	Text     string  `json:"text"`
	State    string  `json:"state"`
	Code     string  `json:"code"`
	Field    string  `json:"field"`
	Message  string  `json:"message"`
	Stream   string  `json:"streamType"`
	Block    string  `json:"block"`
	On       bool    `json:"on"` // of what is paused
	Previous string  `json:"prevState"`
}

// inbound is the part of RTCInboundRtpStreamStats that tests look at.
type inbound struct {
	SSRC                   uint32  `json:"ssrc"`
	PacketsReceived        int     `json:"packetsReceived"`
	PacketsLost            int     `json:"packetsLost"`
	FramesDecoded          int     `json:"framesDecoded"`
	FrameWidth             int     `json:"frameWidth"`
	FreezeCount            int     `json:"freezeCount"`
	PLICount               int     `json:"pliCount"`
	TotalFreezesDuration   float64 `json:"totalFreezesDuration"` // s
	TotalSamplesReceived   int     `json:"totalSamplesReceived"`
	ConcealedSamples       int     `json:"concealedSamples"`
	SilentConcealedSamples int     `json:"silentConcealedSamples"`
	TotalAudioEnergy       float64 `json:"totalAudioEnergy"`
}

// heard is how much sound has come in that was not made up for lost packets.
func (i *inbound) heard() int { return i.TotalSamplesReceived - i.ConcealedSamples }

type received struct{ Video, Audio *inbound }

// join opens a page and enters a room with camera and microphone on.
func join(t *testing.T, b *browser.Browser, n *node, room, user string) *person {
	t.Helper()
	return joinAs(t, b, n, entry{Room: room, User: user})
}

func joinAs(t *testing.T, b *browser.Browser, n *node, e entry) *person {
	t.Helper()
	p := openPage(t, b, n, e.User)
	p.enter(n, e)
	return p
}

// openPage opens a page of the node, for a user who has not entered yet.
func openPage(t *testing.T, b *browser.Browser, n *node, user string) *person {
	t.Helper()
	page, err := b.Open(within(t, limit), n.url+"/?camera=0&mic=0")
	require.NoError(t, err)
	p := &person{t: t, name: user, page: page}
	t.Cleanup(p.cleanUp)
	p.eval(probe, nil)
	return p
}

// cleanUp closes the page. If the test has failed it says how the page is, unless that was said already, and
// leaves a screenshot.
func (p *person) cleanUp() {
	if p.t.Failed() {
		if !p.looked.Load() {
			p.t.Log(p.describe())
		}
		p.shoot("failed-" + url.PathEscape(p.name))
	}
	ctx, cancel := contextAfterTest()
	defer cancel()
	_ = p.page.Close(ctx) // it may be closed, or its network cut
}

func (p *person) eval(expression string, out any) {
	p.t.Helper()
	require.NoError(p.t, p.page.Eval(within(p.t, limit), expression, out), p.name)
}

// call evaluates f(arguments…) of the probe.
func (p *person) call(out any, f string, arguments ...any) {
	p.t.Helper()
	p.eval(expression(p.t, f, arguments...), out)
}

func expression(t *testing.T, f string, arguments ...any) string {
	t.Helper()
	list, err := json.Marshal(append([]any{}, arguments...)) // not null
	require.NoError(t, err)
	return fmt.Sprintf("probe.%s(...%s)", f, list)
}

func (p *person) enter(n *node, e entry) {
	p.t.Helper()
	if e.Token == "" && e.Tokens == nil {
		e.Token = n.token(e.Room, e.User)
	}
	var at struct{ At, Entered float64 }
	p.call(&at, "enter", e)
	p.called, p.entered = at.At, at.Entered
}

// exit leaves, and returns when that was asked for and when it was complete.
func (p *person) exit() (asked, done float64) {
	p.t.Helper()
	var r struct {
		At, Done float64
		Held     []string
	}
	p.call(&r, "exit")
	require.Empty(p.t, r.Held, "%s still holds devices", p.name)
	return r.At, r.Done
}

// released fails the test while the page holds any device that it has ever been given.
func (p *person) released() {
	p.t.Helper()
	p.wait(limit, "probe.held().length === 0", nil, "still holds devices")
}

// told waits until the client has told the page that.
func (p *person) told(name string, fields map[string]any) event {
	p.t.Helper()
	return p.toldSince(0, name, fields)
}

func (p *person) toldSince(since float64, name string, fields map[string]any) event {
	p.t.Helper()
	if fields == nil {
		fields = map[string]any{}
	}
	var e event
	p.wait(limit, expression(p.t, "find", name, fields, since), &e, "waits for %s %v", name, fields)
	return e
}

// events is everything that the client has told the page so far.
func (p *person) events() []event {
	p.t.Helper()
	var all []event
	p.eval("probe.events", &all)
	return all
}

// sees waits until the picture of that user is there and moves, and returns since when.
func (p *person) sees(user string) float64 {
	p.t.Helper()
	var at float64
	p.wait(limit, expression(p.t, "moving", user), &at, "does not see %s", user)
	return at
}

// hears waits until sound of that user comes out, and returns since when.
func (p *person) hears(user string) float64 {
	p.t.Helper()
	var at float64
	p.wait(limit, expression(p.t, "sounding", user), &at, "does not hear %s", user)
	return at
}

// received is what has come in of that user. It waits for the first of both kinds: the browser's statistics name a
// stream a little later than its first packets are there, and a seat that has just been given has none.
func (p *person) received(user string) received {
	p.t.Helper()
	var r received
	p.wait(limit, expression(p.t, "received", user)+".then((r) => r.video && r.audio && r)", &r, "gets no picture and sound of %s", user)
	return r
}

// now is the page's clock, in ms since the epoch.
func (p *person) now() float64 {
	p.t.Helper()
	var at float64
	p.eval("probe.now()", &at)
	return at
}

// frames waits until that many more frames of the user have been decoded than in r.
func (p *person) frames(user string, since received, more int) received {
	p.t.Helper()
	condition := fmt.Sprintf("%s.then(r => r.video && r.video.framesDecoded >= %d ? r : false)",
		expression(p.t, "received", user), since.Video.FramesDecoded+more)
	var r received
	p.wait(limit, condition, &r, "no longer gets frames of %s", user)
	return r
}

// witness is somebody whom what happens to others must not disturb.
type witness struct {
	*person
	of     *person // whom it watches
	before received
	since  float64
}

// watch begins to hold p to being undisturbed while it sees and hears another user, who is already there.
func (p *person) watch(who *person) *witness {
	p.t.Helper()
	p.sees(who.name)
	p.hears(who.name)
	w := &witness{person: p, of: who, since: p.now()}
	w.before = p.received(who.name)
	return w
}

// undisturbed fails the test unless picture and sound have gone on without a gap and the client has told
// nothing but which users came and went.
func (w *witness) undisturbed() {
	w.t.Helper()
	w.undisturbedBut()
}

// undisturbedBut is undisturbed, where these events are to come.
func (w *witness) undisturbedBut(names ...string) {
	w.t.Helper()
	after := w.frames(w.of.name, w.before, 20)
	w.smooth(w.of, w.since, w.before, after)
	soundful(w.t, w.before, after)
	require.Greater(w.t, after.Audio.TotalAudioEnergy, w.before.Audio.TotalAudioEnergy)
	for _, e := range w.events() {
		if e.At < w.since || e.Name == "remote-user-exit" || e.Name == "remote-user-enter" || slices.Contains(names, e.Name) {
			continue
		}
		require.False(w.t, e.UserID == w.of.name || e.UserID == "", "%s was disturbed: %+v", w.name, e)
	}
}

// smooth fails the test if, between before and after, the picture of that user has frozen, packets are
// missing, or the stream has become another one.
func (p *person) smooth(of *person, since float64, before, after received) {
	p.t.Helper()
	v, a, v0, a0 := after.Video, after.Audio, before.Video, before.Audio
	require.Equal(p.t, v0.PacketsLost, v.PacketsLost, "%s lost packets of %s's picture", p.name, of.name)
	require.Equal(p.t, a0.PacketsLost, a.PacketsLost, "%s lost packets of %s's sound", p.name, of.name)
	require.Equal(p.t, v0.SSRC, v.SSRC, "%s's stream of %s is another one", p.name, of.name)
	if v.FreezeCount == v0.FreezeCount {
		return
	}
	// A machine that was too busy to capture or to draw has frozen the picture by itself, as the pages' own
	// clocks tell.
	var freezes []freeze
	p.call(&freezes, "frozen", of.name, since)
	stalls := append(p.stalls(since), of.stalls(since)...)
	for _, f := range freezes {
		if f.excused(stalls) {
			continue
		}
		from := f.From - f.MS - freezeLag
		stalls = slices.DeleteFunc(stalls, func(s stall) bool { return s.At < from || s.At-s.MS > f.At })
		var frames json.RawMessage
		p.eval(fmt.Sprintf("probe.frames.filter(s => s.userId === %q && s.at > %f && s.at < %f)", of.name, from, f.At+freezeLag), &frames)
		require.Fail(p.t, "a freeze", "%s saw %s freeze, and the machine was not to blame: %+v; it stood still %+v; frames, ms after the one before: %s",
			p.name, of.name, f, stalls, frames)
	}
	p.t.Logf("%s saw %s freeze: %+v; the machine stood still: %+v", p.name, of.name, freezes, stalls)
}

// soundful fails the test unless sound has come in between, most of it real.
func soundful(t *testing.T, before, after received) {
	t.Helper()
	all, real := after.Audio.TotalSamplesReceived-before.Audio.TotalSamplesReceived, after.Audio.heard()-before.Audio.heard()
	require.Positive(t, real, "no sound has come in")
	require.Greater(t, 2*real, all, "most of the sound was made up for what did not come in")
}

// freeze is what the browser has counted between two looks; times are ms since the epoch.
type freeze struct {
	From  float64 `json:"from"`
	At    float64 `json:"at"`
	Count int     `json:"count"`
	MS    float64 `json:"ms"` // how long the picture stood still
}

// How much later than the stall a freeze may be counted (it is, when the next frame is drawn), and how much
// longer than it the picture may stand still: a frame more, and what the jitter buffer adds.
const (
	freezeLag   = 500
	freezeSlack = 150
)

// excused reports whether the machine stood still for about as long as the picture, at that time.
func (f freeze) excused(stalls []stall) bool {
	still := stood(stalls, f.From-f.MS-freezeLag, f.At)
	return f.MS <= still+freezeSlack*float64(f.Count) && still > 0
}

// stall is a time at which the machine did not let a page run, or its camera or encoder make a frame, until
// At.
type stall struct {
	At   float64 `json:"at"`
	MS   float64 `json:"ms"`
	What string  `json:"what"`
}

func (p *person) stalls(since float64) []stall {
	p.t.Helper()
	var all []stall
	p.eval(fmt.Sprintf("probe.stalls.filter(s => s.at > %f)", since), &all)
	return all
}

// soon fails the test unless b was at most so long after a; both in ms. A page that could not run meanwhile,
// as its timers tell, is not late by that: with several pages that encode and decode in software the machine
// takes longer by itself.
func soon(t *testing.T, what string, a, b float64, most time.Duration, pages ...*person) {
	t.Helper()
	var late []stall
	for _, p := range pages {
		var own []stall
		p.eval(fmt.Sprintf("probe.late.filter(s => s.at > %f)", a), &own)
		late = append(late, own...)
	}
	took, still := b-a, stood(late, a, b)
	t.Logf("%s: %.1f ms, in %.1f of which a page could not run", what, took, still)
	require.True(t, inTime(took, still, most), "%s: %.1f ms instead of %v", what, took, most)
}

// inTime reports whether something that took so many ms, in some of which a page stood still, took at most so
// long by itself. What is excused has a limit: a client that holds up its own page looks like a machine that
// is busy.
func inTime(took, still float64, most time.Duration) bool {
	ms := float64(most) / float64(time.Millisecond)
	return took-min(still, 2*ms) <= ms
}

func TestInTime(t *testing.T) {
	for what, c := range map[string]struct {
		took, still float64
		want        bool
	}{
		"at once":                           {90, 0, true},
		"too late":                          {110, 0, false},
		"late by what the machine stood":    {280, 180, true},
		"later than what the machine stood": {300, 180, false},
		"a page that is blocked for long":   {840, 800, false},
	} {
		require.Equal(t, c.want, inTime(c.took, c.still, 100*time.Millisecond), what)
	}
}

// stood is how long of a time the machine stood still; what two stalls have in common counts once. It sorts
// them.
func stood(stalls []stall, from, to float64) (ms float64) {
	slices.SortFunc(stalls, func(a, b stall) int { return cmp.Compare(a.At-a.MS, b.At-b.MS) })
	for _, s := range stalls {
		begin, end := max(from, s.At-s.MS), min(to, s.At)
		ms += max(0, end-begin)
		from = max(from, end)
	}
	return ms
}

func TestFreezeExcused(t *testing.T) {
	stalls := []stall{{At: 1300, MS: 300}, {At: 1250, MS: 200}, {At: 9000, MS: 500}}
	for what, c := range map[string]struct {
		f    freeze
		want bool
	}{
		"as long as the stall":                 {freeze{From: 1200, At: 1450, Count: 1, MS: 300}, true},
		"a frame longer":                       {freeze{From: 1200, At: 1450, Count: 1, MS: 440}, true},
		"longer; two at the same time are one": {freeze{From: 1200, At: 1450, Count: 1, MS: 480}, false},
		"at another time":                      {freeze{From: 4000, At: 4250, Count: 1, MS: 220}, false},
		"before the stall":                     {freeze{From: 8000, At: 8250, Count: 1, MS: 220}, false},
		"two in two stalls that are far apart": {freeze{From: 8800, At: 9050, Count: 2, MS: 1000}, false},
	} {
		require.Equal(t, c.want, c.f.excused(slices.Clone(stalls)), what)
	}
}
