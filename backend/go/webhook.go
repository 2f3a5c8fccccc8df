package backend

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// SignatureHeader has the signature of a webhook.
	SignatureHeader = "Parlor-Signature"
	// WebhookTolerance is how far the time of a signature may be from now. Remember the ids of events for as
	// long: then nobody can send one again.
	WebhookTolerance = 5 * time.Minute
)

// The errors of VerifyWebhook.
var (
	ErrSignature = errors.New("the signature is not that of the body")
	ErrTooOld    = errors.New("the time of the signature is too far from now")
	ErrKey       = fmt.Errorf("a key of webhooks has at least %d bytes", minSecret)
)

// VerifyWebhook checks that a request comes from a node, and returns its event. header is the one of
// SignatureHeader, body the body as it was received. keys are webhook.key, and while it is changed the one
// before as well.
func VerifyWebhook(header string, body []byte, now time.Time, keys ...[]byte) (FeedEvent, error) {
	for _, key := range keys {
		if len(key) < minSecret {
			return FeedEvent{}, ErrKey // anybody could guess it, above all an empty one
		}
	}
	var t string
	var signatures [][]byte
	for _, part := range strings.Split(header, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			t = value
		case "v1":
			if s, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, s)
			}
		}
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return FeedEvent{}, fmt.Errorf("%w: %s has no time", ErrSignature, SignatureHeader)
	}
	if !signed(t, body, signatures, keys) {
		return FeedEvent{}, ErrSignature
	}
	if age := now.Unix() - seconds; age > int64(WebhookTolerance/time.Second) || age < -int64(WebhookTolerance/time.Second) {
		return FeedEvent{}, ErrTooOld
	}
	var e FeedEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return FeedEvent{}, fmt.Errorf("reading an event: %w", err)
	}
	return e, nil
}

// signed reports whether any key has made any of the signatures. It takes the same time for wrong ones.
func signed(t string, body []byte, signatures, keys [][]byte) bool {
	ok := false
	for _, key := range keys {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(t + "."))
		h.Write(body)
		want := h.Sum(nil)
		for _, s := range signatures {
			ok = hmac.Equal(s, want) || ok
		}
	}
	return ok
}
