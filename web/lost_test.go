package web_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/web/browser"
)

// shortTimers make the node and its clients impatient, so that losing a connection takes seconds.
var shortTimers = timers{Ping: 300 * time.Millisecond, Lost: 1200 * time.Millisecond, Reconnect: 300 * time.Millisecond, Timeout: 30 * time.Second}

// apart brings ann into a room on a machine whose cable can be cut, and ben and cleo on another one.
func apart(t *testing.T, tm timers, room string) (ann, ben *person, cleo *witness, site *browser.Site, n *node) {
	t.Helper()
	network := newNetwork(t)
	n = startNodeAt(t, network.Addr(), tm)
	alone, site := newBrowser(t, network, browser.StartChromium)
	others, _ := newBrowser(t, network, browser.StartChromium)
	ann, ben = join(t, alone, n, room, "ann"), join(t, others, n, room, "ben")
	third := join(t, others, n, room, "cleo")
	ann.sees("ben")
	ben.sees("ann")
	third.sees("ann")
	return ann, ben, third.watch(ben), site, n
}

// The network of a page is cut, and comes back before the time is over: the same session, no leave or enter
// for the others, and the picture goes on.
func TestCutAndResumed(t *testing.T) {
	ann, ben, cleo, site, n := apart(t, shortTimers, "cut")
	since := ann.now()
	require.NoError(t, site.Cut())
	ann.toldSince(since, "connection-lost", nil)
	require.NoError(t, site.Restore())
	ann.toldSince(since, "connection-recovered", nil)

	// Both directions go on.
	ben.frames("ann", ben.received("ann"), 15)
	ann.frames("ben", ann.received("ben"), 15)
	cleo.undisturbed()
	for _, p := range []*person{ben, cleo.person} {
		for _, e := range p.events() {
			coming := e.Name == "remote-user-enter" || e.Name == "remote-user-exit"
			require.False(t, coming && e.At > since, "%s noticed that ann's network was cut: %+v", p.name, e)
		}
	}
	for _, e := range ann.events() {
		require.NotContains(t, []string{"exit-room", "kicked-out", "remote-user-exit"}, e.Name)
	}
	require.Equal(t, []string{"ann", "ben", "cleo"}, n.users("cut"))
}

// The network of a page is cut and does not come back: the others are told reason 1 when the time is over,
// not sooner.
func TestCutAndTimedOut(t *testing.T) {
	tm := shortTimers
	tm.Timeout = 4 * time.Second
	_, ben, cleo, site, n := apart(t, tm, "gone")
	since := ben.now()
	require.NoError(t, site.Cut())
	e := ben.told("remote-user-exit", map[string]any{"userId": "ann"})
	require.Equal(t, leftTimeout, *e.Reason)
	took := time.Duration((e.At - since) * float64(time.Millisecond))
	require.Greater(t, took, tm.Timeout-tm.Ping-100*time.Millisecond, "let go too soon")
	require.Less(t, took, tm.Timeout+2*time.Second, "let go too late")
	cleo.told("remote-user-exit", map[string]any{"userId": "ann", "reason": leftTimeout})
	cleo.undisturbed()
	require.Equal(t, []string{"ben", "cleo"}, n.users("gone"))
}

// The network of a page is cut. Long before the connection counts as lost the page says what is so: the
// picture stands still, nobody speaks, the quality is down. Then event and state agree; and when the network
// is back, so is everything.
func TestCutIsToldAtOnce(t *testing.T) {
	tm := timers{Ping: 2 * time.Second, Lost: 5 * time.Second, Reconnect: 3 * time.Second, Timeout: 30 * time.Second}
	ann, _, _, site, _ := apart(t, tm, "truth")
	ann.eval(`(() => {
		window.truth = { stalled: 0, resumed: 0, quality: 0, floor: 0, speaks: false };
		const first = (key) => truth[key] ||= probe.now();
		const p = probe.parlor;
		p.on('remote-video-stalled', (e) => e.userId === 'ben' && e.streamType === 'main' && first('stalled'));
		p.on('remote-video-resumed', (e) => e.userId === 'ben' && first('resumed'));
		p.on('network-quality', (e) => e.downlinkNetworkQuality === 6 && e.remote.every((u) => u.quality === 6) && first('quality'));
		p.on('audio-volume', (e) => {
			truth.speaks = e.result.length > 0;
		});
		p.on('active-speaker', (e) => {
			truth.floor = e.userId;
			truth.floorAt = probe.now();
		});
		p.on('connection-lost', () => { truth.lost = p.connectionState });
		p.on('connection-recovered', () => { truth.recovered = p.connectionState });
	})()`, nil)
	ann.eval("probe.parlor.enableAudioVolumeEvaluation(200)", nil)
	ann.await("somebody speaks", "truth.speaks && truth.floor && probe.parlor.connectionState === 'CONNECTED'")
	time.Sleep(2500 * time.Millisecond) // a report of the network comes every two seconds
	var before struct{ Stalled, Quality float64 }
	ann.eval("truth", &before)
	require.Zero(t, before.Stalled, "nothing stands still yet")
	require.Zero(t, before.Quality)

	require.NoError(t, site.Cut())
	since := ann.now()
	ann.await("the picture is marked", "Boolean(truth.stalled && truth.quality && !truth.speaks && truth.floor === null)")
	var at struct{ Stalled, Quality, FloorAt float64 }
	ann.eval("truth", &at)
	t.Logf("marked after %.0f ms, quality down after %.0f, nobody has the floor after %.0f", at.Stalled-since, at.Quality-since, at.FloorAt-since)
	for what, when := range map[string]float64{"picture": at.Stalled, "quality": at.Quality, "floor": at.FloorAt} {
		soon(t, what, since, when, 2*time.Second, ann)
	}
	ann.await("the connection is lost", "truth.lost")
	require.NoError(t, site.Restore())
	ann.await("it is back, with the picture", "Boolean(truth.recovered && truth.resumed && truth.speaks)")
	var states struct{ Lost, Recovered string }
	ann.eval("truth", &states)
	require.Equal(t, "RECONNECTING", states.Lost)
	require.Equal(t, "CONNECTED", states.Recovered)
}
