package command

import (
	"math"
	"net/netip"
	"time"

	"parlor/session"
	"parlor/session/terms"
)

// Origin is where a user comes from, and how its network is.
type Origin struct {
	Address   string    `json:"Address,omitempty" jsonschema:"from which the user has entered, or resumed"`
	UserAgent string    `json:"UserAgent,omitempty" jsonschema:"what its browser or program calls itself: at most 256 bytes that the client has chosen"`
	Media     Way       `json:"Media"`
	Up        Direction `json:"Up" jsonschema:"its network, towards the node"`
	Down      Direction `json:"Down" jsonschema:"its network, from the node"`
}

// Way is how a user's media comes and goes.
type Way struct {
	Address  string `json:"Address,omitempty" jsonschema:"address and port of the client; missing: it is not connected"`
	Protocol string `json:"Protocol,omitempty" jsonschema:"udp, tcp, or turn for a relay, whose address it is then"`
}

// Direction is how one way of a user's network was at its last report.
type Direction struct {
	Quality int      `json:"Quality" jsonschema:"0 unknown, 1 excellent, 2 good, 3 poor, 4 bad, 5 very bad, 6 down"`
	Loss    *float64 `json:"Loss,omitempty" jsonschema:"share of packets that were lost, 0–1, before repair; missing: not known"`
}

// Layer is what a user sends of one source, or one simulcast layer of that. Counters begin with it.
type Layer struct {
	Source   string   `json:"Source" jsonschema:"camera, screen, mic or screen-audio"`
	RID      string   `json:"Rid,omitempty" jsonschema:"of a simulcast layer"`
	Live     bool     `json:"Live" jsonschema:"it brings packets"`
	Off      bool     `json:"Off,omitempty" jsonschema:"nobody wants it, and its publisher was told so"`
	Area     uint32   `json:"Area,omitempty" jsonschema:"width times height of its pictures; missing: not known"`
	Packets  uint64   `json:"Packets"`
	Bytes    uint64   `json:"Bytes"`
	Lost     int64    `json:"Lost" jsonschema:"packets missing on the way to the node, repairs not counted; negative with duplicates"`
	JitterMS float64  `json:"JitterMs"`
	Viewers  int      `json:"Viewers" jsonschema:"users that it is sent to"`
	SeenBy   []string `json:"SeenBy,omitempty" jsonschema:"their ids, at most 100"`
}

// View is what a user is sent of another one's source. Counters begin with the receiving section, in which
// others may have been seen before.
type View struct {
	UserID   string  `json:"UserId" jsonschema:"whose"`
	Source   string  `json:"Source"`
	State    string  `json:"State" jsonschema:"live; switching: waits for a keyframe; paused: the network does not carry it; off: there is nothing to send"`
	Layer    int     `json:"Layer" jsonschema:"that is sent, by its place from the lowest on"`
	Codec    string  `json:"Codec,omitempty"`
	Hidden   bool    `json:"Hidden,omitempty" jsonschema:"the client does not show it, and gets nothing"`
	Packets  uint64  `json:"Packets"`
	Bytes    uint64  `json:"Bytes" jsonschema:"of payload"`
	Resent   uint64  `json:"Resent"`
	Lost     uint32  `json:"Lost" jsonschema:"as it reports"`
	JitterMS float64 `json:"JitterMs" jsonschema:"as it reports"`
}

// maxSeenBy is how many of those that a layer is sent to are named. More make descriptions of users in large
// rooms longer.
const maxSeenBy = 100

func userInRoom(u session.UserInRoom) UserInRoom {
	v := UserInRoom{RoomRef: Ref(u.Room), Node: u.Node, User: userOf(u.UserInfo), Layers: []Layer{}, Views: []View{}}
	if u.Detail == nil {
		return v
	}
	for _, l := range u.Detail.Sent {
		v.Layers = append(v.Layers, Layer{
			Source: l.Source.String(), RID: l.RID, Live: l.Live, Off: l.Off, Area: l.Area, Packets: l.Packets, Bytes: l.Bytes,
			Lost: l.Lost, JitterMS: milliseconds(l.Jitter), Viewers: len(l.SeenBy), SeenBy: l.SeenBy[:min(len(l.SeenBy), maxSeenBy)],
		})
	}
	for _, s := range u.Detail.Seen {
		x := View{
			UserID: s.User, Source: s.Source.String(), State: s.State.String(), Layer: s.Rank, Codec: s.Codec, Hidden: s.Want.Hidden,
			Packets: s.Packets, Bytes: s.Bytes, Resent: s.Resent, Lost: s.Lost, JitterMS: milliseconds(s.Jitter),
		}
		if !s.Feeding && !s.Waiting && x.State == "live" {
			x.State = "off"
		}
		v.Views = append(v.Views, x)
	}
	return v
}

func originOf(u session.UserInfo) Origin {
	return Origin{
		Address: shown(u.Client.Addr), UserAgent: u.Client.Agent, Media: wayOf(u), Up: directionOf(u.Up), Down: directionOf(u.Down),
	}
}

func wayOf(u session.UserInfo) Way {
	if !u.Way.Addr.IsValid() {
		return Way{}
	}
	return Way{Address: u.Way.Addr.String(), Protocol: u.Way.Protocol}
}

func directionOf(d session.Direction) Direction {
	v := Direction{Quality: int(d.Quality)}
	if d.Known {
		v.Loss = new(math.Round(d.Loss*1000) / 1000)
	}
	return v
}

// milliseconds returns d in ms, to a tenth.
func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e5) / 10 }

// shown is an address as text; "": it is not known.
func shown(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// position is where the room is in a list of that order, as session.Rooms.ListRooms has it.
func (r Room) position(o terms.RoomOrder) string {
	v := r.CreatedMS
	switch o {
	case terms.MostUsers:
		v = int64(r.Users)
	case terms.MostPublishers:
		v = int64(r.Publishers)
	case terms.MostPoor:
		v = int64(r.Poor)
	}
	return o.Position(keyOf(r.RoomRef), v)
}
