package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"parlor/client"
)

// steering gives commands to the node as an operator does, over NATS.
type steering struct {
	nc   *nats.Conn
	run  *run
	room string
}

const commandTime = 10 * time.Second

// steer connects to the NATS server that the node has named.
func (r *run) steer(ctx context.Context) (*steering, error) {
	h, err := r.node.health(ctx)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(h.NATS, nats.Name("bench"))
	if err != nil {
		return nil, fmt.Errorf("commands over NATS at %s: %w", h.NATS, err)
	}
	return &steering{nc: nc, run: r, room: r.name + "-steered"}, nil
}

func (s *steering) close() { s.nc.Close() }

// command gives a command and returns how long its answer took.
func (s *steering) command(ctx context.Context, action string, request any) (time.Duration, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	began := time.Now()
	m, err := s.nc.RequestWithContext(ctx, "sfu.v1."+action, body)
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", action, err)
	}
	if text := m.Header.Get("Nats-Service-Error"); text != "" {
		return 0, fmt.Errorf("%s: %s", action, text)
	}
	return took, nil
}

type roomRef struct {
	StrRoomID string `json:"StrRoomId"`
}

type removeUser struct {
	StrRoomID string   `json:"StrRoomId"`
	UserIDs   []string `json:"UserIds"`
}

// remove has somebody without media put out of a room, and waits until the user knows.
func (s *steering) remove(ctx context.Context, c *client.Client, user string) (took time.Duration, err error) {
	if took, err = s.command(ctx, "RemoveUser", removeUser{StrRoomID: s.room, UserIDs: []string{user}}); err != nil {
		return 0, err
	}
	select {
	case <-c.Done():
		return took, nil
	case <-time.After(leaveTime):
		return 0, fmt.Errorf("RemoveUser: %s was not told within %s of the answer", user, leaveTime)
	}
}

// removals has users enter a room of their own and be put out, perSecond users each second, until ctx is
// done. It returns how long the answers took.
func (s *steering) removals(ctx context.Context, perSecond int) (took []time.Duration, err error) {
	const visitors = 4 // users at a time
	times := make([][]time.Duration, visitors)
	var working errgroup.Group
	for p := range visitors {
		working.Go(func() error {
			every := time.NewTicker(time.Second * visitors / time.Duration(perSecond))
			defer every.Stop()
			for i := 0; ; i++ {
				select {
				case <-ctx.Done():
					return nil
				case <-every.C:
				}
				t, err := s.visit(context.WithoutCancel(ctx), fmt.Sprintf("steered%d-%d", p, i))
				if err != nil {
					return err
				}
				times[p] = append(times[p], t)
			}
		})
	}
	err = working.Wait()
	for _, t := range times {
		took = append(took, t...)
	}
	return took, err
}

// visit enters and is put out.
func (s *steering) visit(ctx context.Context, user string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	o := s.run.options(s.room, user)
	c, err := client.Dial(ctx, o)
	if err != nil {
		return 0, fmt.Errorf("a user to put out: %w", err)
	}
	defer c.Close()
	return s.remove(ctx, c, user)
}

// errNotTold is that somebody did not hear in time of what happened to the room.
var errNotTold = errors.New("not everybody was told in time")
