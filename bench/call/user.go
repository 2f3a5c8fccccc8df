package call

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // of the page's script
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"parlor/lab/netns"
	"parlor/web/browser"
)

//go:embed page.js
var pageScript string

// person is one end of the call: a browser, or a client of pion.
type person interface {
	// flowing waits until media flows.
	flowing(ctx context.Context) error
	// samples are those of a viewer so far; layers those of a publisher.
	samples(ctx context.Context) ([]Sample, error)
	layers(ctx context.Context) ([]layers, error)
	// problems is what went wrong and did not end the call.
	problems(ctx context.Context) []string
	close() error
}

// page is a browser with one page.
type page struct {
	browser *browser.Browser
	page    *browser.Page
	flow    string // what is true once media flows
}

// openPage starts a browser on a machine, and a user in it.
func openPage(ctx context.Context, h *netns.Host, n *node, camera string, who entry) (p *page, err error) {
	b, err := browser.StartChromium(browser.Options{Host: h, Camera: camera, Trusted: n.url})
	if err != nil {
		return nil, err
	}
	p = &page{browser: b, flow: "call.flows()"}
	if err := p.enter(ctx, n.url, who); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// enter opens the node's page, and lets the user in.
func (p *page) enter(ctx context.Context, url string, who entry) (err error) {
	if p.page, err = p.browser.Open(ctx, url+"/?camera=0&mic=0"); err != nil {
		return err
	}
	if err = p.page.Eval(ctx, pageScript, nil); err != nil {
		return err
	}
	user, err := json.Marshal(who)
	if err != nil {
		return err
	}
	enter := fmt.Sprintf("call.watch(%s)", user)
	if who.User == publisher {
		enter, p.flow = fmt.Sprintf("call.publish(%s, {width: %d, height: %d, frameRate: %d})", user, width, height, frames), "call.sends()"
	}
	return p.page.Eval(ctx, enter, nil)
}

func (p *page) flowing(ctx context.Context) error {
	if err := p.page.Wait(ctx, p.flow, nil); err != nil {
		return fmt.Errorf("%w; the page: %s", err, strings.Join(p.problems(ctx), ", "))
	}
	return nil
}

func (p *page) samples(ctx context.Context) (list []Sample, err error) {
	err = p.page.Eval(ctx, "call.samples", &list)
	return held(list), err
}

func (p *page) layers(ctx context.Context) (list []layers, err error) {
	return list, p.page.Eval(ctx, "call.samples", &list)
}

func (p *page) problems(ctx context.Context) (list []string) {
	_ = p.page.Eval(ctx, "call.problems", &list) // what a page that is gone would say is not known
	return list
}

func (p *page) close() error { return p.browser.Close() }

// process is the process of clients, see clients.go.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended <-chan error
	err   bytes.Buffer // read after ended

	mu     sync.Mutex
	lines  int
	got    [][]Sample // by viewer
	change chan struct{}
}

// stopTime is how long clients may take to end.
const stopTime = 10 * time.Second

// startClients starts it on a machine.
func startClients(h *netns.Host, o orders) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	order, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, Command)
	p := &process{cmd: cmd, change: make(chan struct{}, 1), got: make([][]Sample, len(o.Watch))}
	cmd.Stderr = &p.err
	in, out := io.Pipe()
	cmd.Stdout = out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	ended, err := h.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("start clients: %w", err)
	}
	end := make(chan error, 1)
	p.ended = end
	go func() {
		err := <-ended
		out.Close()
		end <- err
	}()
	go p.read(in)
	if _, err := stdin.Write(order); err != nil {
		return nil, errors.Join(fmt.Errorf("start clients: %w", err), p.close())
	}
	return p, nil
}

// read takes what the process tells.
func (p *process) read(in io.Reader) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var now []Sample
		p.mu.Lock()
		if json.Unmarshal(lines.Bytes(), &now) == nil {
			for i := range min(len(now), len(p.got)) {
				p.got[i] = append(p.got[i], now[i])
			}
		}
		p.lines++
		p.mu.Unlock()
		select {
		case p.change <- struct{}{}:
		default:
		}
	}
}

func (p *process) flowing(ctx context.Context) error {
	for {
		p.mu.Lock()
		flows := p.lines > 0
		for _, list := range p.got {
			flows = flows && len(list) > 0 && list[len(list)-1].Frames > 0
		}
		p.mu.Unlock()
		if flows {
			return nil
		}
		select {
		case <-p.change:
		case err := <-p.ended:
			p.ended = nil
			return fmt.Errorf("clients: %w: %s", err, bytes.TrimSpace(p.err.Bytes()))
		case <-ctx.Done():
			return fmt.Errorf("no media flows to all clients: %w", ctx.Err())
		}
	}
}

func (p *process) samples(context.Context) ([]Sample, error) {
	all := p.all()
	if len(all) == 0 {
		return nil, errors.New("nobody watches")
	}
	return all[0], nil
}

// all are the samples of each viewer.
func (p *process) all() [][]Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([][]Sample, len(p.got))
	copy(all, p.got)
	return all
}

func (p *process) layers(context.Context) ([]layers, error) { return nil, nil }

func (p *process) problems(context.Context) []string { return nil }

func (p *process) close() error { return p.end(stopTime) }

// end has the process end, and kills it if that takes longer.
func (p *process) end(within time.Duration) error {
	p.stdin.Close()
	if p.ended == nil {
		return nil
	}
	select {
	case err := <-p.ended:
		p.ended = nil
		if err != nil {
			return fmt.Errorf("clients: %w: %s", err, bytes.TrimSpace(p.err.Bytes()))
		}
		return nil
	case <-time.After(within):
		_ = p.cmd.Process.Kill()
		err := fmt.Errorf("clients did not end within %s of the end of their input: %w", within, <-p.ended)
		p.ended = nil
		return err
	}
}
