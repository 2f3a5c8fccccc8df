package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	pretty "github.com/jedib0t/go-pretty/v6/table"

	"parlor/control/command"
	"parlor/session/terms"
)

// view is an answer that is to be printed.
type view struct {
	answer  any          // as JSON
	show    func(*table) // for people
	missing []string     // nodes that have not answered
}

// print writes an answer as JSON, or for people.
func (o *operator) print(w io.Writer, v view) error {
	if o.json {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v.answer)
	}
	v.show(&table{w})
	return nil
}

// table writes for people.
type table struct{ out io.Writer }

func (t *table) line(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

// many counts things: 1 user, 2 users.
func many(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}

func (t *table) rows(header pretty.Row, rows []pretty.Row) {
	w := pretty.NewWriter()
	w.SetOutputMirror(t.out)
	w.SetStyle(pretty.StyleLight)
	w.Style().Options = pretty.OptionsNoBordersAndSeparators
	if header != nil {
		w.AppendHeader(header)
	}
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
	t.line("Room %s, %s, since %s, on %s: %s, %d publishing\n", roomName(r.RoomRef), r.Scene, since(r.CreatedMS), r.Node, many(r.Users, "user"), r.Publishers)
	rows := make([]pretty.Row, len(r.UserList))
	for i, u := range r.UserList {
		rows[i] = pretty.Row{u.UserID, u.Name, u.Role, streams(u.Streams), size(sent(u.Streams)), size(u.Received.Bytes), since(u.SinceMS), connection(u)}
	}
	t.rows(pretty.Row{"User", "Name", "Role", "Streams", "Sent", "Received", "Since", "Connection"}, rows)
}

func (t *table) user(rooms []command.UserInRoom) {
	for i, u := range rooms {
		if i > 0 {
			t.line("")
		}
		t.line("User %s in room %s on %s", u.UserID, roomName(u.RoomRef), u.Node)
		t.line("  name %q, metadata %q", u.Name, u.Metadata)
		t.line("  %s, since %s, connection %s, round trip %s", u.Role, since(u.SinceMS), connection(u.User), trip(u.RTTMS))
		t.line("  rights: %s; blocked: %s", join(u.Rights), u.Block)
		t.line("  received: %d packets, %s, %d sent again, %d lost", u.Received.Packets, size(u.Received.Bytes), u.Received.Resent, u.Received.Lost)
		for _, x := range u.Undecodable {
			t.line("  cannot play the %s of %s, which comes as %s: the client of %s takes %s", sourceName(x.Source), x.UserID, x.Codec, u.UserID, offered(x.Offered))
		}
		if len(u.Streams) == 0 {
			continue
		}
		t.line("")
		rows := make([]pretty.Row, len(u.Streams))
		for i, s := range u.Streams {
			rows[i] = pretty.Row{s.Source, state(s), s.Codec, s.Layers, s.Packets, size(s.Bytes), s.Lost}
		}
		t.rows(pretty.Row{"Stream", "State", "Codec", "Layers", "Packets", "Size", "Lost"}, rows)
	}
}

func (t *table) nodes(nodes []command.NodeInfo) {
	rows := make([]pretty.Row, len(nodes))
	for i, n := range nodes {
		rows[i] = pretty.Row{n.Node, n.Version, mode(n), n.Rooms, n.Participants, percent(n.CPU), rate(n.BitsIn), rate(n.BitsOut), since(n.StartedMS)}
	}
	t.rows(pretty.Row{"Node", "Version", "State", "Rooms", "Users", "CPU", "In", "Out", "Since"}, rows)
}

func (t *table) node(nodes []command.NodeInfo) {
	for _, n := range nodes {
		t.rows(nil, []pretty.Row{
			{"Node", n.Node}, {"Version", n.Version}, {"State", mode(n)}, {"Since", since(n.StartedMS)},
			{"Rooms", n.Rooms}, {"Users", fmt.Sprintf("%d, %d publishing", n.Participants, n.Publishers)}, {"Media connections", n.Connections},
			{"CPU", percent(n.CPU)}, {"Memory", size(n.MemoryBytes)},
			{"In", fmt.Sprintf("%s, %.0f packets/s", rate(n.BitsIn), n.PacketsIn)}, {"Out", fmt.Sprintf("%s, %.0f packets/s", rate(n.BitsOut), n.PacketsOut)},
		})
	}
}

func mode(n command.NodeInfo) string {
	switch {
	case n.DrainEndsMS > 0:
		return "draining until " + since(n.DrainEndsMS)
	case n.Draining:
		return "draining"
	default:
		return "serving"
	}
}

func sent(list []command.Stream) (bytes uint64) {
	for _, s := range list {
		bytes += s.Bytes
	}
	return bytes
}

// sourceName is a source in the words of people.
func sourceName(source string) string {
	switch source {
	case "mic":
		return "microphone"
	case "screen-audio":
		return "screen's sound"
	default:
		return source
	}
}

// offered is what a client has offered in place of what it is to get, which may be nothing.
func offered(formats string) string {
	if formats == "" {
		return "nothing of the kind"
	}
	return strings.ReplaceAll(formats, "+", ", ")
}

func state(s command.Stream) string {
	switch {
	case s.Blocked:
		return "blocked"
	case !s.On:
		return "off"
	default:
		return "on"
	}
}

func join(rights []terms.Right) string {
	l := make([]string, len(rights))
	for i, r := range rights {
		l[i] = string(r)
	}
	return strings.Join(l, " ")
}

func trip(ms int64) string {
	if ms == 0 {
		return "not known"
	}
	return fmt.Sprintf("%d ms", ms)
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// size shows bytes, and rate bits a second, with the units of the trade: powers of ten.
func size(bytes uint64) string { return metric(float64(bytes)) + "B" }

func rate(bits float64) string { return metric(bits) + "bit/s" }

func metric(v float64) string {
	for _, unit := range []string{"", "k", "M", "G"} {
		if v < 1000 {
			if unit == "" {
				return fmt.Sprintf("%.0f ", v)
			}
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f T", v)
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
		if how := state(s); how != "on" {
			name += " (" + how + ")"
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

func connection(u command.User) string {
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
