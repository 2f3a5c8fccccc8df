package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"parlor/session/terms"
)

// Requests may be in the form of another RTC engine's event callbacks, for back ends that were written for it:
// https://trtc.io/document/39558. What there is no event for there is not sent. What is not known here is left out:
// UniqueId, TerminalType, UserType, and the UserId of 101.

// The headers of that form.
const (
	appHeader  = "SdkAppId"
	signHeader = "Sign" // base64 of the HMAC-SHA256 over the body
)

// callbacks reports whether there is a callback for events of a type.
func callbacks(kind int) bool { return kind != int(terms.FeedUserUpdated) }

// callbackBody is a body of that form.
type callbackBody struct {
	EventGroupID int          `json:"EventGroupId"` // 1: rooms, 2: media
	EventType    int          `json:"EventType"`
	CallbackTS   int64        `json:"CallbackTs"` // Unix time in ms
	EventInfo    callbackInfo `json:"EventInfo"`
}

type callbackInfo struct {
	RoomID    terms.RoomID `json:"RoomId"` // a number, or a string
	EventTS   int64        `json:"EventTs"`
	EventMsTS int64        `json:"EventMsTs"`
	UserID    string       `json:"UserId,omitempty"`
	Role      int          `json:"Role,omitempty"`
	Reason    *int         `json:"Reason,omitempty"`
}

// The roles and reasons of that form.
const (
	callbackAnchor, callbackAudience = 20, 21
	callbackNormal                   = 1
	callbackTimeout                  = 2
	callbackRemoved                  = 3
)

// callback makes the body out of an event of the feed.
func callback(event []byte, now time.Time) ([]byte, error) {
	var e terms.FeedEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fmt.Errorf("the event cannot be put into the form of callbacks: %w", err)
	}
	info := callbackInfo{RoomID: e.Room, EventTS: e.TimeMS / 1000, EventMsTS: e.TimeMS, UserID: e.User}
	switch e.Role {
	case terms.Anchor:
		info.Role = callbackAnchor
	case terms.Audience:
		info.Role = callbackAudience
	}
	switch e.Type {
	case terms.FeedUserEntered:
		info.Reason = new(callbackNormal)
	case terms.FeedUserLeft:
		info.Reason = new(callbackReason(e.Reason))
	case terms.FeedVideoStopped, terms.FeedAudioStopped, terms.FeedScreenStopped:
		info.Reason = new(0) // by the user
	}
	body, err := json.Marshal(callbackBody{EventGroupID: int(e.Type) / 100, EventType: int(e.Type), CallbackTS: now.UnixMilli(), EventInfo: info})
	if err != nil {
		return nil, fmt.Errorf("the event cannot be put into the form of callbacks: %w", err)
	}
	return body, nil
}

// callbackReason is why a user has left, as far as there are reasons for it there: whoever was put out for a token
// or for having entered elsewhere was removed; a node that ends is a lost connection.
func callbackReason(r terms.FeedReason) int {
	switch r {
	case terms.FeedTimeout, terms.FeedShutdown:
		return callbackTimeout
	case terms.FeedRemoved, terms.FeedReplaced, terms.FeedExpired:
		return callbackRemoved
	default:
		return callbackNormal
	}
}

func signCallback(key, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
