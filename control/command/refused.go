package command

import (
	"cmp"
	"context"
	"slices"
)

// ListRefusalsRequest asks who was refused of late at one node, or at all.
type ListRefusalsRequest struct {
	NodeID string `json:"NodeId,omitempty" jsonschema:"the node's name; without it all nodes"`
}

// ListRefusalsResponse has the refusals, newest first.
type ListRefusalsResponse struct {
	Refusals []Refusal `json:"Refusals"`
	Missing  []string  `json:"NodesMissing,omitempty" jsonschema:"nodes that have not answered"`
}

// Refusal says who was refused at a door of a node, and why. It has nothing of what was shown but ids.
type Refusal struct {
	Node    string `json:"Node"`
	TimeMS  int64  `json:"TimeMs" jsonschema:"Unix time, of the latest one"`
	Times   uint64 `json:"Times" jsonschema:"how often the same was refused"`
	Door    string `json:"Door" jsonschema:"websocket, whip, whep or admin"`
	Reason  string `json:"Reason" jsonschema:"the name of the error, or too_often"`
	Address string `json:"Address,omitempty" jsonschema:"of the client"`
	Room    string `json:"Room,omitempty" jsonschema:"key of the room: s: and its name, or n: and its number"`
	UserID  string `json:"UserId,omitempty"`
	Field   string `json:"Field,omitempty" jsonschema:"of the request"`
	Why     string `json:"Why,omitempty" jsonschema:"missing for bad requests, which may quote what was shown"`
}

func listRefusals(c *Commands, q ListRefusalsRequest) (j job[ListRefusalsResponse], err error) {
	if err := checkNode(q.NodeID); err != nil {
		return j, err
	}
	j.here = func(context.Context) (ListRefusalsResponse, error) {
		if err := c.mine(q.NodeID); err != nil {
			return ListRefusalsResponse{}, err
		}
		return ListRefusalsResponse{Refusals: c.refusals()}, nil
	}
	if j.node = q.NodeID; j.node == "" {
		j.all = func(ctx context.Context, request []byte) (ListRefusalsResponse, error) {
			return everywhere(ctx, c, ListRefusals, request, j.here, func(l []ListRefusalsResponse) (a ListRefusalsResponse) {
				a.Refusals = []Refusal{}
				for _, one := range l {
					a.Refusals = append(a.Refusals, one.Refusals...)
				}
				slices.SortStableFunc(a.Refusals, func(a, b Refusal) int { return cmp.Compare(b.TimeMS, a.TimeMS) })
				return a
			}, func(a *ListRefusalsResponse, missing []string) { a.Missing = missing })
		}
	}
	return j, nil
}

func (c *Commands) refusals() []Refusal {
	l := []Refusal{}
	for _, x := range c.o.Refusals.Latest() {
		r := Refusal{
			Node: c.o.Node.ID(), TimeMS: x.At.UnixMilli(), Times: x.Times, Door: x.Door, Reason: x.Reason, Address: shown(x.From),
			UserID: x.User, Field: x.Field, Why: x.Why,
		}
		if !x.Room.IsZero() {
			r.Room = x.Room.Key()
		}
		l = append(l, r)
	}
	return l
}
