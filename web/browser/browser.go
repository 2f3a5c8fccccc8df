// Package browser drives real browsers for tests and benchmarks: Chromium over the DevTools protocol, Firefox
// over WebDriver BiDi. Each is headless with fake devices, in the network namespace of the process or in
// another one. The cable of a Site can be cut.
//
//	browser.go   Browser and Page: what tests use, the same for both kinds
//	chromium.go  Chromium (chromedp, over a pipe)
//	firefox.go   Firefox: profile, process
//	bidi.go      the part of WebDriver BiDi that Firefox needs
//	namespace.go Isolate: a network namespace for the whole test process
//	network.go   Network, Site: a switch and machines at it, in namespaces, to cut off and connect again
//	process.go   starting and surely ending a browser process
//
// Everything that waits takes a context and returns an error. Nothing here knows the testing package. A
// browser that is not installed is an error that names the command that installs it, never a reason to skip.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"parlor/lab/netns"
)

// Options say how a browser runs.
type Options struct {
	// Site is the machine that it runs on; nil: beside the test process, in the same network namespace.
	Site *Site
	// Host is the machine of a drawn network that it runs on, if it is on no Site.
	Host *netns.Host
	// Resolve is the address of every host name; the zero value: what the system says.
	Resolve netip.Addr
	// Camera is a Y4M or MJPEG file that is the fake camera's picture, again and again; empty: a pattern of
	// the browser's own. It is for Chromium alone, as Trusted is.
	Camera string
	// Cameras is how many fake cameras Chromium has; 0: one.
	Cameras int
	// Trusted is an origin without TLS whose pages get devices all the same, such as http://192.0.2.1:8080.
	Trusted string
	// Log gets the console of every page, a line a message; nil: dropped. It is called from goroutines of the
	// browser, also after the test that opened the page is over.
	Log func(line string)
	// Width and Height of the window in CSS pixels; 0: 1280 × 800.
	Width, Height int
}

// driver is one browser process.
type driver interface {
	open(ctx context.Context, url string, console func(Message)) (tab, error)
	close() error
}

// tab is one page of a driver.
type tab interface {
	// eval awaits the value of an expression, which is a string.
	eval(ctx context.Context, expression string) (string, error)
	press(ctx context.Context, keys string) error
	screenshot(ctx context.Context) ([]byte, error)
	resize(ctx context.Context, width, height int) error
	close(ctx context.Context) error
}

// Browser is one running browser process. Its methods may be called from any goroutine.
type Browser struct {
	name string
	drv  driver
	log  func(string)
}

// Message is what a page wrote to its console, or an exception that nothing caught.
type Message struct {
	Level string // debug, info, warning, error, exception; other names as the browser has them
	Text  string
}

// Page is one page, in a window of its own, so that nothing in it is throttled. Its methods may be called
// from any goroutine, but calls of one page wait for each other if the browser needs that.
type Page struct {
	browser *Browser
	tab     tab

	mu       sync.Mutex
	messages []Message
}

// maxMessages bounds what is kept of a console.
const maxMessages = 1000

// Name is "chromium" or "firefox".
func (b *Browser) Name() string { return b.name }

// Open opens a page and waits until its document has loaded.
func (b *Browser) Open(ctx context.Context, url string) (*Page, error) {
	p := &Page{browser: b}
	t, err := b.drv.open(ctx, url, p.note)
	if err != nil {
		return nil, fmt.Errorf("%s: open %s: %w", b.name, url, err)
	}
	p.tab = t
	return p, nil
}

// Close ends the browser and everything that belongs to it.
func (b *Browser) Close() error {
	if err := b.drv.close(); err != nil {
		return fmt.Errorf("%s: close: %w", b.name, err)
	}
	return nil
}

// note keeps and logs a console message.
func (p *Page) note(m Message) {
	p.mu.Lock()
	if len(p.messages) < maxMessages {
		p.messages = append(p.messages, m)
	}
	p.mu.Unlock()
	if p.browser.log != nil {
		p.browser.log(fmt.Sprintf("%s %s: %s", p.browser.name, m.Level, m.Text))
	}
}

// Console returns what the page has written to its console so far.
func (p *Page) Console() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Message(nil), p.messages...)
}

// Browser is the one that the page belongs to.
func (p *Page) Browser() *Browser { return p.browser }

// Eval evaluates a JavaScript expression, and awaits it if it is a promise. It decodes the value as JSON into
// out, unless out is nil.
func (p *Page) Eval(ctx context.Context, expression string, out any) error {
	wrapped := "(async () => { const v = await (" + expression + "\n); return JSON.stringify(v === undefined ? null : v) })()"
	text, err := p.tab.eval(ctx, wrapped)
	if err != nil {
		return fmt.Errorf("%s: evaluate %s: %w", p.browser.name, brief(expression), err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		return fmt.Errorf("%s: value of %s: %w", p.browser.name, brief(expression), err)
	}
	return nil
}

// Wait evaluates the expression in the page again and again until its value is true, at most as long as ctx
// allows. ctx must have a deadline. What throws is not true yet: it may look at an element that is still to
// come. Wait decodes the value into out, unless out is nil. The error says what the last value was, or why there
// was none.
func (p *Page) Wait(ctx context.Context, expression string, out any) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return errors.New("browser: Wait needs a deadline")
	}
	var got struct {
		OK    bool
		Value json.RawMessage
		Fault string
	}
	left := time.Until(deadline)
	// The page gives up first, so that the error can say what it saw; on a busy machine the answer takes a
	// while.
	margin := min(left/2, time.Second)
	poll := fmt.Sprintf(`(async () => {
		let over = false
		const end = new Promise(r => setTimeout(r, %d)).then(() => { over = true; return null })
		for (;;) {
			let [Value, Fault] = [null, '']
			const look = async () => (%s
			)
			try { Value = await Promise.race([look(), end]) } catch (err) { Fault = String(err) }
			if (Value) return {OK: true, Value, Fault}
			if (over) return {OK: false, Value: Value === undefined ? null : Value, Fault}
			await new Promise(r => setTimeout(r, 20))
		}
	})()`, max(left-margin, 0).Milliseconds(), expression)
	if err := p.Eval(ctx, poll, &got); err != nil {
		return err
	}
	if got.Fault != "" {
		return fmt.Errorf("%s: still %s after %v: %s", p.browser.name, got.Fault, left.Round(time.Millisecond), brief(expression))
	}
	if !got.OK {
		return fmt.Errorf("%s: still %s after %v: %s", p.browser.name, got.Value, left.Round(time.Millisecond), brief(expression))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(got.Value, out)
}

// Press types keys into what has the focus: printable characters, and "\t" Tab, "\r" Enter, " " Space.
func (p *Page) Press(ctx context.Context, keys string) error {
	if err := p.tab.press(ctx, keys); err != nil {
		return fmt.Errorf("%s: press %q: %w", p.browser.name, keys, err)
	}
	return nil
}

// Screenshot returns a PNG of the visible part of the page.
func (p *Page) Screenshot(ctx context.Context) ([]byte, error) {
	png, err := p.tab.screenshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: screenshot: %w", p.browser.name, err)
	}
	return png, nil
}

// Resize gives the page a viewport of that size in CSS pixels.
func (p *Page) Resize(ctx context.Context, width, height int) error {
	if err := p.tab.resize(ctx, width, height); err != nil {
		return fmt.Errorf("%s: resize: %w", p.browser.name, err)
	}
	return nil
}

// Close closes the page as a user does: its pagehide handlers run.
func (p *Page) Close(ctx context.Context) error {
	if err := p.tab.close(ctx); err != nil {
		return fmt.Errorf("%s: close page: %w", p.browser.name, err)
	}
	return nil
}

// brief makes an expression fit into an error.
func brief(expression string) string {
	s := strings.Join(strings.Fields(expression), " ")
	if len(s) > 160 {
		return s[:160] + "…"
	}
	return s
}
