package client

import "context"

// Profile is what a user is called and what the application says of it.
type Profile struct {
	Name     string `json:"name"`
	Metadata string `json:"metadata"`
}

// SetProfile changes what the user is called. It returns what the node has made of that.
func (c *Client) SetProfile(ctx context.Context, p Profile) (Profile, error) {
	var told Profile
	err := c.Call(ctx, "profile", p, &told)
	return told, err
}

// keepProfile has the client enter anew with what its user is called last.
func (c *Client) keepProfile(e Event) {
	if e.Type != UserUpdated {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.User == c.opts.User {
		c.opts.Profile = e.Profile
	}
}
