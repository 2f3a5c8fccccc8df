package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// startTimeout is for a browser to come up on a loaded machine.
const startTimeout = 60 * time.Second

// firefoxPrefs is the profile: fake devices, given without asking; sound that starts by itself; and nothing
// that calls home, updates or asks.
const firefoxPrefs = `
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("app.update.auto", false);
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.startup.page", 0);
user_pref("browser.tabs.warnOnClose", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.disable_open_during_load", false);
user_pref("dom.ipc.processPrelaunch.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("remote.prefs.recommended", true);
user_pref("services.settings.server", "");
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
`

type firefox struct {
	proc *process
	conn *bidi
	home string
}

// StartFirefox starts a headless Firefox ESR with a fresh profile. It gathers no loopback candidates for ICE.
// So give it a Site, and let the node listen on Network.Addr, or give it a Host.
func StartFirefox(o Options) (*Browser, error) {
	path, err := find("firefox-esr", "firefox-esr")
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp("", "parlor-firefox-")
	if err != nil {
		return nil, err
	}
	f := &firefox{home: home}
	if err := f.start(path, o); err != nil {
		_ = f.close()
		return nil, fmt.Errorf("start firefox: %w", err)
	}
	return &Browser{name: "firefox", drv: f, log: o.Log}, nil
}

func (f *firefox) start(path string, o Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	profile := filepath.Join(f.home, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		return err
	}
	prefs := firefoxPrefs
	if o.Resolve.IsValid() {
		prefs += fmt.Sprintf("user_pref(\"network.dns.forceResolve\", %q);\n", o.Resolve)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(prefs), 0o600); err != nil {
		return err
	}
	url, err := f.spawn(ctx, path, profile, o)
	if err != nil {
		return err
	}

	if f.conn, err = dialBidi(ctx, url+"/session", o.dialer()); err != nil {
		return fmt.Errorf("connect to %s: %w", url, err)
	}
	capabilities := map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true}}}
	if err := f.conn.call(ctx, "session.new", capabilities, nil); err != nil {
		return err
	}
	return f.conn.call(ctx, "session.subscribe", map[string]any{"events": []string{"log.entryAdded", "browsingContext.contextDestroyed"}}, nil)
}

// spawn starts the process and returns the address at which it listens.
func (f *firefox) spawn(ctx context.Context, path, profile string, o Options) (string, error) {
	width, height := size(o)
	cmd := exec.Command(path, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0",
		fmt.Sprintf("--width=%d", width), fmt.Sprintf("--height=%d", height), "about:blank")
	if err := confine(cmd, o.namespace(), f.home); err != nil {
		return "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = w
	f.proc, err = start(cmd)
	w.Close()
	if err != nil {
		r.Close()
		return "", err
	}
	found := make(chan string, 1)
	go scanAddress(r, found)
	select {
	case url := <-found:
		if url == "" {
			return "", errors.New("it ended without saying where it listens")
		}
		return url, nil
	case <-ctx.Done():
		return "", fmt.Errorf("it did not say where it listens: %w", ctx.Err())
	}
}

// scanAddress sends what follows "WebDriver BiDi listening on", or "" at the end. Then it reads on, so that
// the browser never blocks on a full pipe.
func scanAddress(r io.ReadCloser, found chan<- string) {
	defer r.Close()
	const mark = "WebDriver BiDi listening on "
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), mark); ok {
			found <- strings.TrimSpace(url)
			_, _ = io.Copy(io.Discard, r)
			return
		}
	}
	found <- ""
}

func (f *firefox) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var err error
	if f.conn != nil {
		err = f.conn.call(ctx, "browser.close", struct{}{}, nil)
		if errors.Is(err, errGone) {
			err = nil // it may close before it answers
		}
	}
	if f.proc != nil {
		if f.conn == nil || err != nil {
			cancel() // nobody has asked it to end
		}
		f.proc.stop(ctx)
	}
	if f.conn != nil {
		f.conn.close()
	}
	return errors.Join(err, os.RemoveAll(f.home))
}

// open opens a window: tabs behind others are throttled.
func (f *firefox) open(ctx context.Context, url string, console func(Message)) (tab, error) {
	var made struct{ Context string }
	if err := f.conn.call(ctx, "browsingContext.create", map[string]any{"type": "window"}, &made); err != nil {
		return nil, err
	}
	t := &firefoxTab{conn: f.conn, id: made.Context, gone: make(chan struct{})}
	f.conn.listen(t.id, func(params json.RawMessage) { t.event(params, console) })
	err := f.conn.call(ctx, "browsingContext.navigate", map[string]any{"context": t.id, "url": url, "wait": "complete"}, nil)
	if err != nil {
		return nil, err
	}
	return t, nil
}

type firefoxTab struct {
	conn *bidi
	id   string
	gone chan struct{} // closed when the page has been destroyed
}

// event takes a log entry, or the end of the page, which has no level.
func (t *firefoxTab) event(params json.RawMessage, console func(Message)) {
	var e struct{ Level, Text, Type string }
	if json.Unmarshal(params, &e) != nil || e.Level == "" {
		t.conn.listen(t.id, nil)
		close(t.gone)
		return
	}
	if e.Type == "javascript" && e.Level == "error" {
		e.Level = "exception"
	}
	console(Message{Level: e.Level, Text: e.Text})
}

func (t *firefoxTab) eval(ctx context.Context, expression string) (string, error) {
	var r struct {
		Type             string
		Result           struct{ Type, Value string }
		ExceptionDetails struct{ Text string }
	}
	err := t.conn.call(ctx, "script.evaluate", map[string]any{
		"expression": expression, "target": map[string]any{"context": t.id}, "awaitPromise": true, "userActivation": true,
	}, &r)
	if err != nil {
		return "", err
	}
	if r.Type == "exception" {
		return "", errors.New(r.ExceptionDetails.Text)
	}
	return r.Result.Value, nil
}

// bidiKeys are the code points that WebDriver gives to keys that print nothing.
var bidiKeys = map[rune]string{'\t': "\ue004", '\r': "\ue007"}

func (t *firefoxTab) press(ctx context.Context, keys string) error {
	var actions []map[string]any
	for _, k := range keys {
		value, ok := bidiKeys[k]
		if !ok {
			value = string(k)
		}
		actions = append(actions, map[string]any{"type": "keyDown", "value": value}, map[string]any{"type": "keyUp", "value": value})
	}
	return t.conn.call(ctx, "input.performActions", map[string]any{
		"context": t.id, "actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}},
	}, nil)
}

func (t *firefoxTab) screenshot(ctx context.Context) ([]byte, error) {
	var r struct{ Data string }
	if err := t.conn.call(ctx, "browsingContext.captureScreenshot", map[string]any{"context": t.id}, &r); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(r.Data)
}

func (t *firefoxTab) resize(ctx context.Context, width, height int) error {
	return t.conn.call(ctx, "browsingContext.setViewport", map[string]any{
		"context": t.id, "viewport": map[string]int{"width": width, "height": height},
	}, nil)
}

func (t *firefoxTab) close(ctx context.Context) error {
	if err := t.conn.call(ctx, "browsingContext.close", map[string]any{"context": t.id}, nil); err != nil {
		return err
	}
	select {
	case <-t.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
