package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"parlor/session/command"
)

// print writes an answer as JSON, or as show does for people.
func (o *operator) print(c *cobra.Command, answer any, show func(*table)) error {
	if o.json {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(answer)
	}
	show(&table{c.OutOrStdout()})
	return nil
}

// table writes for people.
type table struct{ out io.Writer }

func (t *table) line(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

func (t *table) rows(header pretty.Row, rows []pretty.Row) {
	w := pretty.NewWriter()
	w.SetOutputMirror(t.out)
	w.SetStyle(pretty.StyleLight)
	w.Style().Options = pretty.OptionsNoBordersAndSeparators
	w.AppendHeader(header)
	w.AppendRows(rows)
	w.Render()
}

func (t *table) removed(a command.RemoveUserResponse) {
	rows := make([]pretty.Row, len(a.Users))
	for i, u := range a.Users {
		rows[i] = pretty.Row{u.UserID, strings.ReplaceAll(u.Result, "_", " ")}
	}
	t.rows(pretty.Row{"User", "Result"}, rows)
}

func (t *table) rooms(rooms []command.Room) {
	if len(rooms) == 0 {
		t.line("There is no room.")
		return
	}
	rows := make([]pretty.Row, len(rooms))
	for i, r := range rooms {
		rows[i] = pretty.Row{roomName(r.RoomRef), r.Scene, r.Users, r.Anchors, r.Publishers, since(r.CreatedMS), r.Node}
	}
	t.rows(pretty.Row{"Room", "Scene", "Users", "Anchors", "Publishing", "Since", "Node"}, rows)
}

func (t *table) room(r command.DescribeRoomResponse) {
	t.line("Room %s, %s, since %s, on %s: %d users, %d publishing\n", roomName(r.RoomRef), r.Scene, since(r.CreatedMS), r.Node, r.Users, r.Publishers)
	rows := make([]pretty.Row, len(r.UserList))
	for i, u := range r.UserList {
		rows[i] = pretty.Row{u.UserID, u.Role, streams(u.Streams), since(u.SinceMS), link(u)}
	}
	t.rows(pretty.Row{"User", "Role", "Streams", "Since", "Connection"}, rows)
}

// roomName shows a room so that the number 123 and the name "123" differ.
func roomName(r command.RoomRef) string {
	switch {
	case r.StrRoomID == nil:
		return "#" + string(r.RoomID)
	case strings.HasPrefix(*r.StrRoomID, "#"), strings.Contains(*r.StrRoomID, " "):
		return fmt.Sprintf("%q", *r.StrRoomID)
	default:
		return *r.StrRoomID
	}
}

func streams(list []command.Stream) string {
	var names []string
	for _, s := range list {
		name := s.Source
		if !s.On {
			name += " (off)"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

func link(u command.User) string {
	switch {
	case !u.Connected:
		return "lost, last heard " + since(u.LastHeardMS)
	case u.MediaOnly:
		return "WHIP or WHEP"
	default:
		return "ok"
	}
}

func since(ms int64) string { return time.UnixMilli(ms).Local().Format("2006-01-02 15:04:05") }
