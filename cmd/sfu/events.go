package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"parlor/control/command"
	"parlor/control/feed"
	"parlor/session/terms"
	"parlor/sfu"
)

// eventFlags are the flags of `sfu events`.
type eventFlags struct {
	rooms, users, kinds []string
	roomIDs             []uint
	since               string
	last                int
	json                bool
}

func eventsCommand() *cobra.Command {
	var f eventFlags
	c := &cobra.Command{
		Use:   "events",
		Short: "Follow what happens in the rooms of all nodes",
		Long: `Print the events of rooms and users as they are stored, until Ctrl-C: those from now on, and by --last or --since also
earlier ones. Flags that name several things may be repeated, or take a list with commas. --json prints each event as the
back end gets it, one a line. Events come from NATS alone, so there is no --admin.`,
		Example: `  sfu events --last 20
  sfu events --room lobby --kind user-entered,user-left
  sfu events --user ann --since 2h --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.follow(c) },
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.rooms, "room", nil, "only events of this room, by its name")
	flags.UintSliceVar(&f.roomIDs, "room-id", nil, "only events of this room, by its number: room 123 is not room \"123\"")
	flags.StringSliceVar(&f.users, "user", nil, "only events of this user")
	flags.StringSliceVar(&f.kinds, "kind", nil, "only events of this kind, by name or number: "+kindList())
	flags.StringVar(&f.since, "since", "", "also those since then: how long ago, as 2h, or a time, as 2026-01-31T15:04:05Z or \"2026-01-31 15:04\"")
	flags.IntVar(&f.last, "last", 0, "also the last so many")
	flags.BoolVar(&f.json, "json", false, "print each event as JSON, one a line")
	reachFlags(flags)
	var o operator
	o.completeRoomFlag(c, "room", false)
	o.completeRoomFlag(c, "room-id", true)
	completeFlag(c, "kind", words(true, kindNames()...))
	return c
}

// kindList are the kinds of events, for people.
func kindList() string {
	var l []string
	for _, t := range terms.FeedTypes() {
		l = append(l, fmt.Sprintf("%s (%d)", t.Name(), t))
	}
	return strings.Join(l, ", ")
}

func kindNames() []string {
	var l []string
	for _, t := range terms.FeedTypes() {
		l = append(l, t.Name())
	}
	return l
}

// options reads the flags. now is the time that --since counts from.
func (f *eventFlags) options(now time.Time) (feed.ReadOptions, error) {
	o := feed.ReadOptions{Users: f.users, Last: f.last}
	for _, name := range f.rooms {
		room, err := terms.StringRoom(name)
		if err != nil {
			return o, usage("--room: %s", terms.AsError(err).Text)
		}
		o.Rooms = append(o.Rooms, room)
	}
	for _, n := range f.roomIDs {
		room, err := terms.NumberRoom(int64(min(n, terms.MaxRoomNumber+1)))
		if err != nil {
			return o, usage("--room-id: %s", terms.AsError(err).Text)
		}
		o.Rooms = append(o.Rooms, room)
	}
	for _, u := range f.users {
		if err := terms.CheckUser(u); err != nil {
			return o, usage("--user: %s", terms.AsError(err).Text)
		}
	}
	for _, k := range f.kinds {
		t, ok := kindOf(k)
		if !ok {
			return o, usage("--kind: there are no events of the kind %.32q, only %s%s", k, kindList(), meant(k, kindNames()))
		}
		o.Types = append(o.Types, t)
	}
	if f.last < 0 || f.last > feed.MaxLast {
		return o, usage("--last %d: it is 1 to %d", f.last, feed.MaxLast)
	}
	if f.since == "" {
		return o, nil
	}
	if f.last > 0 {
		return o, usage("--last and --since cannot be given both")
	}
	var err error
	o.Since, err = timeOf(f.since, now)
	return o, err
}

// kindOf returns the kind of events with a name or number.
func kindOf(text string) (terms.FeedType, bool) {
	for _, t := range terms.FeedTypes() {
		if text == t.Name() || text == strconv.Itoa(int(t)) {
			return t, true
		}
	}
	return 0, false
}

// timeOf reads a time that has passed: how long ago it was, or which it was, here if it names no zone.
func timeOf(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usage("--since %.40q is no time: how long ago, as 90s, 10m or 2h, or which, as 2026-01-31T15:04:05Z or \"2026-01-31 15:04\"", text)
}

func (f *eventFlags) follow(c *cobra.Command) error {
	o, err := f.options(time.Now())
	if err != nil {
		return err
	}
	cfg, err := loadFor(c, true)
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer release()
	nc, err := dial(ctx, sfu.NATSServer(cfg.NATS))
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	defer nc.Close()
	said := ""
	o.Trouble = func(err error) {
		if why := err.Error(); why != said {
			said = why
			fmt.Fprintf(c.ErrOrStderr(), "%s; waiting\n", why)
		}
	}
	return feed.Read(ctx, nc, o, func(e terms.FeedEvent, stored []byte) error {
		said = ""
		if f.json {
			return writeJSON(c.OutOrStdout(), stored)
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), eventLine(e))
		return err
	})
}

// writeJSON writes an event as it is stored on one line.
func writeJSON(w io.Writer, stored []byte) error {
	var line bytes.Buffer
	if err := json.Compact(&line, stored); err != nil {
		return errors.New("an event cannot be read")
	}
	line.WriteByte('\n')
	_, err := w.Write(line.Bytes())
	return err
}

// eventLine shows an event to people.
func eventLine(e terms.FeedEvent) string {
	parts := []string{
		time.UnixMilli(e.TimeMS).Local().Format("2006-01-02 15:04:05.000"),
		fmt.Sprintf("%-14s", e.Type.Name()), roomName(command.Ref(e.Room)),
	}
	if e.User != "" {
		parts = append(parts, e.User)
	}
	var more []string
	if e.Role != "" {
		more = append(more, string(e.Role))
	}
	if e.Reason != 0 && e.Type != terms.FeedUserEntered {
		more = append(more, e.Reason.Name())
	}
	if e.Text != "" {
		more = append(more, strconv.Quote(e.Text)) // it is a person's, and may hold anything
	}
	more = slices.Concat(more, []string{"on", e.Node})
	if e.By != "" {
		more = append(more, "as told by", e.By)
	}
	return strings.Join(append(parts, strings.Join(more, " ")), "  ")
}
