package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// commandTime bounds a command that has no deadline of its own. Nodes give up after 10 s.
	commandTime = 15 * time.Second
	// adminTime is how long the tokens of Node.Key hold.
	adminTime = time.Minute
	// maxAnswer is the size of the largest answer in bytes.
	maxAnswer = 16 << 20
)

// CodeUnreachable is the code of an Error if no node has answered. It cannot be told then whether the command
// was carried out.
const CodeUnreachable = "unreachable"

// Error is what a command fails with.
type Error struct {
	Code       string // a stable name, such as room_not_found; docs/protocol.md has all
	Field      string // the field of the request that is at fault; "": none
	Message    string // for people
	Status     int    // of HTTP; 0: there was no answer
	RetryAfter time.Duration
	Cause      error // of CodeUnreachable
}

// Error returns code, field and message.
func (e *Error) Error() string {
	text := e.Code
	if e.Field != "" {
		text += ": " + e.Field
	}
	return text + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Node gives commands to any node of a cluster; they reach the node that has the room. Safe for concurrent use.
type Node struct {
	URL string // https://sfu.example.org
	// Key makes a short token with the right admin for each command; or Token is such a token. A node without
	// keys needs neither.
	Key   Key
	Token string
	HTTP  *http.Client // nil: one that follows no redirects
}

var plainClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Do gives a command by its name and reads the answer into answer. What it fails with is an *Error.
func (n *Node) Do(ctx context.Context, action string, request, answer any) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, commandTime)
		defer cancel()
	}
	q, err := n.request(ctx, action, request)
	if err != nil {
		return &Error{Code: "bad_request", Message: err.Error(), Cause: err}
	}
	client := n.HTTP
	if client == nil {
		client = plainClient
	}
	res, err := client.Do(q)
	if err != nil {
		return unreachable(0, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return unreachable(res.StatusCode, err)
	case len(body) > maxAnswer:
		return unreachable(res.StatusCode, fmt.Errorf("the answer has more than %d bytes", maxAnswer))
	case res.StatusCode != http.StatusOK:
		return problem(res, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return unreachable(res.StatusCode, fmt.Errorf("the answer cannot be read: %w", err))
	}
	return nil
}

func (n *Node) request(ctx context.Context, action string, request any) (*http.Request, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(n.URL, "/")+"/admin/v1/"+action, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL of the node cannot be used")
	}
	q.Header.Set("Content-Type", "application/json")
	token := n.Token
	if token == "" && n.Key.ID != "" {
		now := time.Now()
		if token, err = n.Key.Token(Grant{Rights: []string{RightAdmin}, Expires: now.Add(adminTime)}, now); err != nil {
			return nil, err
		}
	}
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	return q, nil
}

// problem reads an error answer: a problem document of a node, or something else of whoever stands before it.
func problem(res *http.Response, body []byte) *Error {
	var p struct{ Code, Field, Detail string }
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return unreachable(res.StatusCode, fmt.Errorf("the answer is %s, and not a node's", res.Status))
	}
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil {
		seconds = 0
	}
	return &Error{Code: p.Code, Field: p.Field, Message: p.Detail, Status: res.StatusCode, RetryAfter: time.Duration(seconds) * time.Second}
}

func unreachable(status int, err error) *Error {
	return &Error{Code: CodeUnreachable, Message: err.Error(), Status: status, Cause: err}
}
