package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// closeTimeout is how long a browser may take to end by itself before it is killed. Higher only delays tests
// of a browser that hangs.
const closeTimeout = 5 * time.Second

// chromiumFlags are the flags beside those that chromedp sets: fake devices, given without asking, and media
// on loopback.
var chromiumFlags = map[string]any{
	"no-sandbox":                         true, // tests run as root, also in containers
	"disable-gpu":                        true,
	"disable-quic":                       true,
	"disable-component-update":           true,
	"ignore-certificate-errors":          true,
	"use-fake-device-for-media-stream":   true,
	"use-fake-ui-for-media-stream":       true,
	"auto-select-desktop-capture-source": "Entire screen",
	"allow-loopback-in-peer-connection":  true,
	"autoplay-policy":                    "no-user-gesture-required",
}

type chromium struct {
	ctx    context.Context // chromedp keeps the browser in it
	cancel context.CancelFunc
	home   string
}

// StartChromium starts a headless Chromium with a fresh profile.
func StartChromium(o Options) (*Browser, error) {
	path, err := find("chromium", "chromium")
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "parlor-chromium-")
	if err != nil {
		return nil, err
	}
	c := &chromium{home: home}
	if err := c.start(path, o); err != nil {
		os.RemoveAll(home)
		return nil, fmt.Errorf("start chromium: %w", err)
	}
	return &Browser{name: "chromium", drv: c, log: o.Log}, nil
}

func (c *chromium) start(path string, o Options) error {
	var confined error
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.WindowSize(size(o)),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { confined = confine(cmd, o.namespace(), c.home) }))
	for name, value := range chromiumFlags {
		opts = append(opts, chromedp.Flag(name, value))
	}
	if o.Camera != "" {
		opts = append(opts, chromedp.Flag("use-file-for-fake-video-capture", o.Camera))
	}
	if o.Cameras > 0 {
		opts = append(opts, chromedp.Flag("use-fake-device-for-media-stream", fmt.Sprintf("device-count=%d", o.Cameras)))
	}
	if o.Trusted != "" {
		opts = append(opts, chromedp.Flag("unsafely-treat-insecure-origin-as-secure", o.Trusted))
	}
	if o.Resolve.IsValid() {
		opts = append(opts, chromedp.Flag("host-resolver-rules", "MAP * "+o.Resolve.String()))
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	c.ctx = ctx
	c.cancel = func() { cancel(); cancelAlloc() }
	if err := chromedp.Do(ctx); err != nil { // starts the process
		c.cancel()
		return err
	}
	if confined != nil {
		c.cancel()
	}
	return confined
}

func size(o Options) (width, height int) {
	if o.Width == 0 || o.Height == 0 {
		return 1280, 800
	}
	return o.Width, o.Height
}

// open gives each page a browser context of its own, so that pages share neither storage nor renderer.
func (c *chromium) open(ctx context.Context, url string, console func(Message)) (tab, error) {
	tctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t := &chromiumTab{ctx: tctx, cancel: cancel}
	messages := chromedp.Console(tctx) // creates the target
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			console(Message{Level: string(m.Type), Text: m.Text})
		}
	}()
	err := t.run(ctx, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Navigate(url)) })
	if err != nil {
		cancel()
		return nil, err
	}
	return t, nil
}

func (c *chromium) close() error {
	ctx, cancel := context.WithTimeout(c.ctx, closeTimeout)
	defer cancel()
	err := chromedp.Cancel(ctx)
	c.cancel()
	os.RemoveAll(c.home)
	return err
}

type chromiumTab struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// run calls f with the tab's context, bounded by the caller's.
func (t *chromiumTab) run(ctx context.Context, f func(context.Context) error) error {
	tctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	err := f(tctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}

func (t *chromiumTab) eval(ctx context.Context, expression string) (text string, err error) {
	err = t.run(ctx, func(ctx context.Context) error {
		text, err = chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise, userGesture))
		return err
	})
	return text, err
}

// userGesture lets a page do what needs a user's click, such as sharing the screen.
func userGesture(p *runtime.EvaluateParams) {
	yes := true
	p.UserGesture = &yes
}

func (t *chromiumTab) press(ctx context.Context, keys string) error {
	return t.run(ctx, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.KeyEvent(keys)) })
}

func (t *chromiumTab) screenshot(ctx context.Context) (png []byte, err error) {
	err = t.run(ctx, func(ctx context.Context) error {
		png, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
		return err
	})
	return png, err
}

func (t *chromiumTab) resize(ctx context.Context, width, height int) error {
	return t.run(ctx, func(ctx context.Context) error {
		return chromedp.Do(ctx, chromedp.EmulateViewport(int64(width), int64(height)))
	})
}

func (t *chromiumTab) close(ctx context.Context) error {
	err := t.run(ctx, func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, page.Close, cdp.Empty{})
		return err
	})
	t.cancel()
	return err
}
