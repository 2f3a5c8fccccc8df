package cluster

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"parlor/control/cluster/placing"
)

// told is a change as a watch tells it.
type told struct {
	key      string
	value    []byte
	revision uint64
	op       jetstream.KeyValueOp
}

func (e told) Bucket() string                  { return "" }
func (e told) Key() string                     { return e.key }
func (e told) Value() []byte                   { return e.value }
func (e told) Revision() uint64                { return e.revision }
func (e told) Created() time.Time              { return time.Time{} }
func (e told) Delta() uint64                   { return 0 }
func (e told) Operation() jetstream.KeyValueOp { return e.op }

// TestJudging is the table of what an entry is worth.
func TestJudging(t *testing.T) {
	v := newView(time.Now)
	for id, r := range map[string]NodeRecord{
		"alive": {Incarnation: "2"}, "claiming": {Incarnation: "2", Claiming: true}, "fenced": {FencedBy: "alive"},
	} {
		v.setNode(id, entry[NodeRecord]{r, 1})
	}
	for name, c := range map[string]struct {
		entry RoomRecord
		want  standing
	}{
		"its node's present incarnation":             {RoomRecord{Node: "alive", Incarnation: "2"}, valid},
		"an earlier one":                             {RoomRecord{Node: "alive", Incarnation: "1"}, stale},
		"a node that takes up its rooms: its new":    {RoomRecord{Node: "claiming", Incarnation: "2"}, valid},
		"a node that takes up its rooms: an old one": {RoomRecord{Node: "claiming", Incarnation: "1"}, pending},
		"a node that was fenced off":                 {RoomRecord{Node: "fenced", Incarnation: "1"}, stale},
		"a node that is not there":                   {RoomRecord{Node: "gone", Incarnation: "1"}, orphan},
	} {
		require.Equal(t, c.want, v.judge(c.entry), name)
	}
}

// TestOlderNewsIsIgnored: a watch that tells late does not undo what this node has written itself.
func TestOlderNewsIsIgnored(t *testing.T) {
	c := &Cluster{}
	v := newView(time.Now)
	v.setRoom("s-lobby", entry[RoomRecord]{RoomRecord{Node: "b", Incarnation: "1"}, 7})
	c.apply(v, RoomsBucket, told{"s-lobby", []byte(`{"node":"a","incarnation":"1"}`), 6, jetstream.KeyValuePut})
	require.Equal(t, "b", v.rooms["s-lobby"].record.Node)
	c.apply(v, RoomsBucket, told{"s-lobby", nil, 6, jetstream.KeyValuePurge})
	require.Contains(t, v.rooms, "s-lobby")
	c.apply(v, RoomsBucket, told{"s-lobby", nil, 8, jetstream.KeyValuePurge})
	require.NotContains(t, v.rooms, "s-lobby")
}

func TestWhereClientsAreSent(t *testing.T) {
	for url, want := range map[string]bool{
		"https://a.example": true, "http://127.0.0.1:8080": true, "http://[::1]:80": true, "": false, "a": false, "javascript:alert(1)": false,
		"https://a.example/": false, "https://a.example/x": false, "https://u@a.example": false, "ftp://a": false, "http://a\r\nX: y": false,
	} {
		require.Equal(t, want, baseURL(url) != "", url)
	}
}

// FuzzRecords: no code falls over whatever stands in the buckets.
func FuzzRecords(f *testing.F) {
	f.Add("a", []byte(`{"id":"a","incarnation":"x","url":"http://a","load":{"cpu":0.5,"busy":1e400},"draining":true}`), []byte(`{"node":"a","incarnation":"x"}`))
	f.Add("a", []byte(`{"load":null}`), []byte(`[]`))
	f.Add("", []byte(`{"load":{"busy":-1}}`), []byte(`{"node":1}`))
	f.Fuzz(func(t *testing.T, key string, node, room []byte) {
		c := &Cluster{}
		v := newView(time.Now)
		c.apply(v, NodesBucket, told{key, node, 1, jetstream.KeyValuePut})
		c.apply(v, RoomsBucket, told{key, room, 1, jetstream.KeyValuePut})
		for _, s := range v.rooms {
			_ = v.judge(s.record)
		}
		for _, name := range placing.Names() {
			rule, err := placing.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := rule(v.candidates(), key, key); got != "" && v.nodes[got].record.Incarnation == "" {
				t.Errorf("%s places on %q, which is not registered", name, got)
			}
		}
		_ = v.others(key)
		for _, n := range v.nodes {
			_ = encode(nil, NodesBucket, "a", NodeRecord{Load: n.record.Load.tidy()})
		}
	})
}

// TestOthersTell: a record of a version before has no `tells`. Fences count as nobody, and this node's own
// record is not asked.
func TestOthersTell(t *testing.T) {
	c := &Cluster{o: Options{Node: "me"}, view: newView(time.Now)}
	require.True(t, c.recordLocked(Report{}, "1").Tells)
	for i, step := range []struct {
		id, record string
		want       bool
	}{
		{"me", `{"id":"me","incarnation":"1"}`, true},
		{"new", `{"id":"new","incarnation":"1","tells":true}`, true},
		{"fenced", `{"id":"fenced","incarnation":"","fencedBy":"me"}`, true},
		{"old", `{"id":"old","incarnation":"1"}`, false},
		{"old", `{"id":"old","incarnation":"2","tells":true}`, true},
	} {
		c.apply(c.view, NodesBucket, told{step.id, []byte(step.record), uint64(i + 1), jetstream.KeyValuePut})
		require.Equal(t, step.want, c.OthersTell(), step.record)
	}
}

// TestProofOutlivesTheLease: with a long lease, too, a key of SFU_ROOMS that has ended says that the bucket
// was lost.
func TestProofOutlivesTheLease(t *testing.T) {
	for lease, want := range map[time.Duration]time.Duration{5 * time.Second: time.Minute, time.Minute: 3 * time.Minute, time.Hour: 3 * time.Hour} {
		require.Equal(t, want, (&store{ttl: lease}).proofTTL(), lease)
	}
}
