package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/spf13/cobra"

	"parlor/bench/stats"
	"parlor/client"
)

// Strangers trouble a node in a process of their own, at low priority. So they take CPU from the node by what
// it does for them, not by what they do. They come from an address of their own, as do those who enter
// meanwhile and must be let in.
const (
	strangersCommand = "strangers"
	strangersFrom    = "127.0.0.66"
	visitorsFrom     = "127.0.0.2"
	visitEvery       = 500 * time.Millisecond
	visitTime        = 5 * time.Second
	again            = 20 * time.Millisecond // until a stranger that was refused comes again
)

// kindOfStrangers is one way of making trouble. many strangers do it, each until the context ends or an error
// says that it begins anew.
type kindOfStrangers struct {
	name string
	many int
	do   func(ctx context.Context, t target) error
}

var strangerKinds = []kindOfStrangers{
	{"idle", 1200, idleStranger},
	{"bodies", 1000, bodyStranger},
	{"json", 20, jsonStranger},
	{"metrics", 8, scrapingStranger},
	{"churn", 4, churningStranger},
}

func strangersNamed(name string) (kindOfStrangers, bool) {
	i := slices.IndexFunc(strangerKinds, func(k kindOfStrangers) bool { return k.name == name })
	if i < 0 {
		return kindOfStrangers{}, false
	}
	return strangerKinds[i], true
}

// target is what strangers trouble.
type target struct {
	url, room string
	http      *http.Client // from their address
}

// at is an HTTP client that connects from an address of this machine.
func at(address string) *http.Client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 64}}
}

func (t target) dial(ctx context.Context) (net.Conn, error) {
	u, err := url.Parse(t.url)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangersFrom)}}
	return d.DialContext(ctx, "tcp", u.Host)
}

func (t target) webSocket(ctx context.Context) (*websocket.Conn, error) {
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(t.url, "http")+"/rtc", &websocket.DialOptions{
		HTTPClient: t.http, Subprotocols: []string{"parlor.v1"},
	})
	return ws, err
}

// idleStranger connects and says nothing.
func idleStranger(ctx context.Context, t target) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_, err = io.Copy(io.Discard, c)
	return errors.Join(err, io.EOF)
}

const strangerBody = 250_000 // bytes

// bodyStranger begins a large message and does not end it.
func bodyStranger(ctx context.Context, t target) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	fmt.Fprint(c, "GET /rtc HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: parlor.v1\r\n\r\n")
	//nolint:bodyclose // a refusal's body is read from c, which is closed
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		return errors.Join(err, io.EOF)
	}
	frame := append([]byte{0x81, 0xff, 0, 0, 0, 0, 0, strangerBody >> 16, strangerBody >> 8 & 0xff, strangerBody & 0xff, 0, 0, 0, 0},
		make([]byte, strangerBody-1000)...)
	if _, err := c.Write(frame); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, c)
	return errors.Join(err, io.EOF)
}

// jsonStranger sends messages that are dear to read, large and deep by turns.
func jsonStranger(ctx context.Context, t target) error {
	ws, err := t.webSocket(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = ws.CloseNow() }() // it is over either way
	var keys strings.Builder
	for i := 0; keys.Len() < strangerBody-100; i++ {
		fmt.Fprintf(&keys, `"k%d":1,`, i)
	}
	messages := []string{
		`{"type":"enter","id":1,` + keys.String() + `"z":0}`,
		`{"type":"enter","id":1,"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
	}
	for i := 0; ; i++ {
		if err := ws.Write(ctx, websocket.MessageText, []byte(messages[i%2])); err != nil {
			return err
		}
		if _, _, err := ws.Read(ctx); err != nil {
			return err
		}
	}
}

// scrapingStranger asks for the metrics, again and again.
func scrapingStranger(ctx context.Context, t target) error {
	for {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+"/metrics", nil)
		if err != nil {
			return err
		}
		res, err := t.http.Do(q)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
	}
}

// churningStranger enters as a user that other strangers have entered as already, and exits.
func churningStranger(ctx context.Context, t target) error {
	ws, err := t.webSocket(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = ws.CloseNow() }() // it is over either way
	for i, message := range []string{`{"type":"enter","id":1,"room":"` + t.room + `","user":"churn","scene":"live"}`, `{"type":"exit","id":2}`} {
		if err := ws.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			return err
		}
		for answered := false; !answered; {
			_, raw, err := ws.Read(ctx)
			if err != nil {
				return nil // replaced by another one, or out: at once again
			}
			answered = strings.Contains(string(raw), fmt.Sprintf(`"re":%d`, i+1))
		}
	}
	return nil
}

// strangersMain is the process of strangers. It goes on until its standard input ends.
func strangersMain() *cobra.Command {
	return &cobra.Command{
		Use: strangersCommand, Hidden: true, Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := context.WithCancel(c.Context())
			go func() {
				_, _ = io.Copy(io.Discard, c.InOrStdin())
				cancel()
			}()
			kind, ok := strangersNamed(args[0])
			if !ok {
				return fmt.Errorf("there are no strangers of the kind %q", args[0])
			}
			if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
				return fmt.Errorf("lowering the priority: %w", err)
			}
			kind.all(ctx, target{url: args[1], room: args[2], http: at(strangersFrom)})
			return nil
		},
	}
}

// all has all of them at work until ctx is done.
func (k kindOfStrangers) all(ctx context.Context, t target) {
	var working sync.WaitGroup
	for range k.many {
		working.Go(func() {
			for ctx.Err() == nil {
				if k.do(ctx, t) == nil {
					continue
				}
				select {
				case <-ctx.Done():
				case <-time.After(again):
				}
			}
		})
	}
	working.Wait()
}

// Strangers is what trouble of strangers did to the call beside it.
type Strangers struct {
	Calm     stats.Summary `json:"calm"`      // delay in the first half, without them
	Troubled stats.Summary `json:"troubled"`  // and in the second half, with them
	Memory   float64       `json:"memory_mb"` // the most that the node had more than before
	CPU      float64       `json:"cpu_percent"`
	CalmCPU  float64       `json:"calm_cpu_percent"`
	Visits   int           `json:"visits"` // of others that entered meanwhile
	Failed   int           `json:"visits_failed"`
	Entering stats.Summary `json:"entering"` // of those that came in
}

// besides lets the first half of the window pass and sets the strangers to work for the second. Meanwhile it
// has others enter.
func (r *run) besides(ctx context.Context) (*Strangers, error) {
	res, half := &Strangers{}, r.scenario.Duration/2
	began, err := r.node.probe.read(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.wait(ctx, half); err != nil {
		return nil, err
	}
	before, err := r.node.probe.read(ctx)
	if err != nil {
		return nil, err
	}
	r.window.troubled.Store(time.Now().UnixNano())
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	troubling, stop := context.WithCancel(ctx)
	defer stop()
	p := exec.CommandContext(troubling, self, strangersCommand, r.scenario.Strangers, r.node.url, r.publishers[0].room)
	in, err := p.StdinPipe() // whose end ends it, also if this process is killed
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("strangers: %w", err)
	}
	var took []time.Duration
	end := time.Now().Add(half)
	for i := 0; time.Until(end) > 0; i++ {
		next := time.Now().Add(visitEvery)
		res.Visits++
		if t, err := r.visit(ctx, i); err == nil {
			took = append(took, t)
		} else {
			res.Failed++
			r.say("somebody else could not enter: %v", err)
		}
		now, err := r.node.probe.read(ctx)
		if err != nil {
			return nil, err
		}
		res.Memory = max(res.Memory, float64(now.rss-before.rss)/(1<<20))
		if err := r.wait(ctx, min(time.Until(next), time.Until(end))); err != nil {
			return nil, err
		}
	}
	after, err := r.node.probe.read(ctx)
	if err != nil {
		return nil, err
	}
	share := func(a, b reading) float64 { return 100 * float64(b.cpu()-a.cpu()) / float64(b.at.Sub(a.at)) }
	res.CalmCPU, res.CPU, res.Entering = share(began, before), share(before, after), stats.Percentiles(took)
	stop()
	_ = p.Wait() // it was killed
	return res, nil
}

// visit enters from an address of its own and leaves again.
func (r *run) visit(ctx context.Context, i int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	o := r.options(r.name+"-visited", fmt.Sprintf("visitor%d", i))
	o.HTTP = at(visitorsFrom)
	defer o.HTTP.CloseIdleConnections()
	began := time.Now()
	c, err := client.Dial(ctx, o)
	if err != nil {
		return 0, err
	}
	took := time.Since(began)
	return took, c.Exit(ctx)
}

// collectStrangers adds the delays, which the subscribers have.
func (r *run) collectStrangers(m *measurement, res *Result) {
	if m.strangers == nil {
		return
	}
	calm, troubled := stats.NewDelays(), stats.NewDelays()
	for _, s := range r.subscribers {
		s.each(func(x *receiver) {
			calm.Merge(x.calm)
			troubled.Merge(x.troubled)
		})
	}
	res.Strangers = m.strangers
	res.Strangers.Calm, res.Strangers.Troubled = calm.Summary(), troubled.Summary()
}
