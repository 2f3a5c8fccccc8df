package config

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Secret is something that nobody else may know. It prints masked; what it prints is too short to be taken
// for a secret again.
type Secret string

// String returns a mask, or nothing if there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString is String, so that %#v does not print the secret either.
func (s Secret) GoString() string { return s.String() }

// The forms of webhooks.
const (
	WebhookParlor = "parlor"
	WebhookTRTC   = "trtc" // of another RTC engine
)

// eventTypes are those of the feed.
var eventTypes = []int{101, 102, 103, 104, 105, 106, 201, 202, 203, 204, 205, 206}

func parseEventType(text string) (int, error) {
	n, err := parseInt(text)
	if err == nil && !slices.Contains(eventTypes, n) {
		err = fmt.Errorf("%d is no type of an event; there are %s", n, strings.Join(items(eventTypes), ", "))
	}
	return n, err
}

// readWebhookKey reads the file of the key.
func (l *loader) readWebhookKey() {
	c := &l.config.Webhook
	if c.KeyFile == "" {
		return
	}
	if c.Key != "" {
		l.fail("webhook.key_file", "is set, and webhook.key as well: one of them is needed")
		return
	}
	text, err := os.ReadFile(c.KeyFile)
	if err != nil {
		l.fail("webhook.key_file", err.Error())
		return
	}
	if c.Key = Secret(strings.TrimSpace(string(text))); len(c.Key) < minSecret {
		l.fail("webhook.key_file", shortSecret(c.Key).Error())
		l.failed["webhook.key"] = true // it would only follow
	}
}

func shortSecret(s Secret) error {
	return fmt.Errorf("the secret has %d bytes, at least %d are needed; `openssl rand -hex 32` makes one", len(s), minSecret)
}

func (l *loader) checkWebhook() {
	c := &l.config.Webhook
	if c.URL != "" {
		if err := checkWebhookURL(c.URL); err != nil {
			l.fail("webhook.url", err.Error())
		}
		if c.Key == "" && !l.failed["webhook.key_file"] {
			l.fail("webhook.key", "is needed with webhook.url: it signs the requests; `openssl rand -hex 32` makes one")
		}
	}
	switch {
	case c.Form != WebhookParlor && c.Form != WebhookTRTC:
		l.fail("webhook.form", fmt.Sprintf("is %s or %s, not %.32q", WebhookParlor, WebhookTRTC, c.Form))
	case c.Form == WebhookTRTC && (c.App <= 0 || int64(c.App) > math.MaxUint32):
		l.fail("webhook.app", "is needed with webhook.form trtc: the number of the application, SdkAppId")
	case c.Form != WebhookTRTC && c.App != 0:
		l.fail("webhook.app", "is of use with webhook.form trtc alone")
	}
	if c.Key != "" && len(c.Key) < minSecret {
		l.fail("webhook.key", shortSecret(c.Key).Error())
	}
	for _, t := range c.Events {
		if !slices.Contains(eventTypes, t) {
			l.fail("webhook.events", fmt.Sprintf("%d is no type of an event", t))
		}
	}
}

// checkWebhookURL never quotes the address, which may have a secret in it.
func checkWebhookURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is no address of a web server, such as https://app.example.org/parlor")
	case u.Fragment != "":
		return errors.New("what follows # is not sent: leave it away")
	}
	return nil
}

// redactURL masks what may be secret in the address of a web server: password and query.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	if u.RawQuery != "" {
		u.RawQuery = "xxxxx"
	}
	return Redact(u.String())
}
