package web_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Encoders and players that others wrote (web/foreign) meet Chromium over WHIP and WHEP: FFmpeg's muxer,
// GStreamer's webrtcbin, libdatachannel and aiortc. None of them shares code with the node or with a browser,
// and each has its own idea of SDP. A connection says little: what counts is the picture at the other end. The
// commands are those of docs/streaming.md.

// foreigner is a program that publishes or plays.
type foreigner struct {
	name    string
	script  string // how its commands in docs/streaming.md begin: an interpreter and the script in web/foreign
	publish color.RGBA
	plays   bool
}

var (
	orange = color.RGBA{0xD0, 0x60, 0x20, 0xFF} // of the sample
	blue   = color.RGBA{0x20, 0xA0, 0xD0, 0xFF} // of gstreamer.py
)

var foreigners = []foreigner{
	{name: "ffmpeg", script: "node ffmpeg.mjs", publish: orange},
	{name: "gstreamer", script: "/usr/bin/python3 gstreamer.py", publish: blue, plays: true},
	{name: "libdatachannel", script: "node datachannel.mjs", publish: orange, plays: true},
	{name: "aiortc", script: "/usr/bin/python3 aio.py", publish: orange, plays: true},
}

// Chromium plays what foreign encoders publish, with the right colour in the middle of the picture.
func TestForeignEncoders(t *testing.T) {
	plugged(t)
	n := startNode(t)
	file := sample(t)
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			f.start(t, recipe(t, f.script+" publish ", n.url, f.name, file))
			require.Eventually(t, func() bool { return n.has(f.name, "cam") }, 3*limit, 50*time.Millisecond, "it enters") // its first start on a machine may look through all its plugins
			p := openWhip(t, n, f.name)
			p.eval(fmt.Sprintf("whip.play('/whep/%s', 1)", f.name), nil)
			p.plays(1)
			var seen [3]uint8
			p.wait(limit, "whip.colour()", &seen, "plays no picture")
			p.eval("document.querySelector('body > video').scrollIntoView()", nil)
			p.shoot(f.name)
			near(t, f.publish, color.RGBA{seen[0], seen[1], seen[2], 0xFF})
		})
	}
}

// Foreign players show what Chromium publishes: the green of its fake camera.
func TestForeignPlayers(t *testing.T) {
	plugged(t)
	n := startNode(t)
	encoder := openWhip(t, n, "encoder")
	encoder.eval("whip.publish('/whip/green?user=cam', '', 'H264')", nil)
	for _, f := range foreigners {
		if !f.plays {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			file := filepath.Join(t.ArtifactDir(), f.name+".png")
			f.start(t, recipe(t, f.script+" play ", n.url, "green", file))
			var picture image.Image
			require.Eventually(t, func() bool { picture = shown(file); return picture != nil }, 3*limit, 100*time.Millisecond, "it shows a picture")
			t.Logf("picture: %s", file)
			r, g, b := mean(picture)
			require.Greater(t, g, r+20, "as green as the fake camera, not grey or black: %d %d %d", r, g, b)
			require.Greater(t, g, b+20, "as green as the fake camera, not grey or black: %d %d %d", r, g, b)
		})
	}
}

// plugged gives the test's machine a network card with a cable in it: some of the programs never look at
// loopback.
func plugged(t *testing.T) {
	t.Helper()
	site, err := newNetwork(t).Join()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, site.Close()) })
}

// has says whether somebody is in a room.
func (n *node) has(room, user string) bool {
	n.t.Helper()
	answer, err := n.nats.Request("sfu.v1.DescribeUser", fmt.Appendf(nil, `{"StrRoomId":%q,"UserId":%q}`, room, user), 5*time.Second)
	return err == nil && answer.Header.Get("Nats-Service-Error") == ""
}

// recipe returns the command of docs/streaming.md that begins so, with a node, a room and a file of the test in
// the place of those of readers.
func recipe(t *testing.T, begins, url, room, file string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/streaming.md")
	require.NoError(t, err)
	lines := regexp.MustCompile("(?m)^"+regexp.QuoteMeta(begins)+".*$").FindAllString(string(text), -1)
	require.Len(t, lines, 1, "docs/streaming.md has one command that begins with %q", begins)
	return strings.NewReplacer("http://127.0.0.1:8080", url, "/lobby", "/"+room, "sample.mkv", file, "picture.png", file).Replace(lines[0])
}

// start runs a command until the test is over, with all that it starts, and shows what it said if the test
// fails.
func (f foreigner) start(t *testing.T, command string) {
	t.Helper()
	if strings.HasPrefix(command, "node ") {
		_, err := os.Stat("foreign/node_modules")
		require.NoError(t, err, "what it needs is not installed: run make web/foreign/node_modules/.installed")
	}
	var said output
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "foreign", &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start(), "make tools installs it")
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", f.name, said.String())
		}
	})
}

// output collects what a program says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// sample makes a minute of orange, H.264 High as x264 labels it by default, with a tone in Opus.
func sample(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sample.mkv")
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-c", recipe(t, "ffmpeg -loglevel error -f lavfi", "", "", file)).CombinedOutput()
	require.NoError(t, err, "ffmpeg (make tools installs it): %s", out)
	return file
}

// near holds a colour to another one, within what encoding and conversion between colour spaces may change.
func near(t *testing.T, want, got color.RGBA) {
	t.Helper()
	for _, pair := range [][2]uint8{{want.R, got.R}, {want.G, got.G}, {want.B, got.B}} {
		require.InDelta(t, int(pair[0]), int(pair[1]), 32, "the picture is %v, not %v", got, want)
	}
}

// shown is the picture in the file; nil while there is none, or it is being written.
func shown(file string) image.Image {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	return picture
}

// mean is the mean colour of a picture, 0 to 255.
func mean(m image.Image) (r, g, b int) {
	bounds, pixels := m.Bounds(), 0
	for y := bounds.Min.Y; y < bounds.Max.Y; y += 4 {
		for x := bounds.Min.X; x < bounds.Max.X; x += 4 {
			pr, pg, pb, _ := m.At(x, y).RGBA()
			r, g, b, pixels = r+int(pr>>8), g+int(pg>>8), b+int(pb>>8), pixels+1
		}
	}
	return r / pixels, g / pixels, b / pixels
}
