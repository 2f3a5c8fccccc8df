package adminhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"parlor/control/command"
	"parlor/session/problem"
	"parlor/session/terms"
)

// maxAnswer is the size in bytes of the largest answer that a Client reads: a page of 1000 users has about 1
// MB.
const maxAnswer = 16 << 20

// Client gives commands over HTTP. Errors that a node answers with are *terms.Error, whose Field is as the
// command names it. Safe for concurrent use.
type Client struct {
	URL   string       // of the node: https://host:port
	Token string       // with the right admin; "" for a node that asks for none
	HTTP  *http.Client // nil: http.DefaultClient
}

// Do has the node see to a command, and reads the answer into into (nil: it is not wanted).
func (c *Client) Do(ctx context.Context, a command.Action, request, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+Path+string(a), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	q.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		q.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(q)
	if err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: reading the answer: %w", a, err)
	}
	return take(a, res, answer, into)
}

// take reads an answer, or the error that it is.
func take(a command.Action, res *http.Response, answer []byte, into any) error {
	if res.StatusCode != http.StatusOK {
		var p problem.Document
		if json.Unmarshal(answer, &p) == nil && p.Code != "" {
			return &terms.Error{Code: p.Code, Field: p.Field, Text: p.Detail}
		}
		return fmt.Errorf("%s: the answer is %s", a, res.Status)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s: reading the answer: %w", a, err)
	}
	return nil
}
