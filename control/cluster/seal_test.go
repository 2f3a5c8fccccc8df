package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parlor/control/bus"
	"parlor/session/terms"
)

func derive(t testing.TB, ids ...string) []RecordKey {
	t.Helper()
	keys := make([]RecordKey, len(ids))
	for i, id := range ids {
		k, err := DeriveKey(id, []byte(strings.Repeat(id, 40)))
		require.NoError(t, err)
		keys[i] = k
	}
	return keys
}

func sealerOf(t testing.TB, lax bool, ids ...string) *sealer {
	s := newSealer(lax)
	keys := derive(t, ids...)
	s.keys.Store(&keys)
	return s
}

func TestSealsAreChecked(t *testing.T) {
	rec := NodeRecord{ID: "a", Incarnation: "1", URL: `http://a.test/,"mac":"x"`}
	sealed := func(ids ...string) string { return string(encode(sealerOf(t, false, ids...), NodesBucket, "a", rec)) }
	plain := sealed()
	one := sealed("k1")
	many := make([]string, 30)
	for i := range many {
		many[i] = fmt.Sprintf("%064d", i)
	}
	for name, c := range map[string]struct {
		value, bucket, key string
		lax                bool
		want               doubt
	}{
		"sealed with a key that is known":            {one, NodesBucket, "a", false, trusted},
		"with several, one of which is known":        {sealed("k9", "k1"), NodesBucket, "a", false, trusted},
		"with keys that are not known":               {sealed("k8", "k9"), NodesBucket, "a", false, forged},
		"unknown keys, where unsealed ones are good": {sealed("k8", "k9"), NodesBucket, "a", true, forged},
		"not sealed":                        {plain, NodesBucket, "a", false, unsealed},
		"not sealed, where that is allowed": {plain, NodesBucket, "a", true, trusted},
		"of another node":                   {one, NodesBucket, "b", false, forged},
		"of another bucket":                 {one, RoomsBucket, "a", false, forged},
		"changed":                           {strings.Replace(one, "a.test", "evil.test", 1), NodesBucket, "a", false, forged},
		"a second member of the name":       {strings.TrimSuffix(one, "}") + `,"url":"http://evil.test"}`, NodesBucket, "a", false, forged},
		"a member before":                   {strings.Replace(one, "{", `{"url":"http://evil.test",`, 1), NodesBucket, "a", false, forged},
		"the seal of nothing":               {`{"id":"a","mac":""}`, NodesBucket, "a", false, forged},
		"no MAC at all behind the id":       {`{"id":"a","mac":"k1:"}`, NodesBucket, "a", false, forged},
		"a cut MAC":                         {strings.TrimSuffix(one, `AA"}`)[:len(one)-8] + `"}`, NodesBucket, "a", false, forged},
		"a member behind a good MAC":        {strings.TrimSuffix(one, `"}`) + ` ","url":"http://evil.test"}`, NodesBucket, "a", false, forged},
		"cut off behind a good MAC":         {strings.TrimSuffix(one, `"}`) + " ", NodesBucket, "a", false, forged},
		"a blank behind it":                 {one + " ", NodesBucket, "a", false, forged},
		"more than it ever has":             {strings.Replace(one, "k1:", strings.Repeat("k9:"+strings.Repeat("A", 22)+" ", maxSeals/26)+"k1:", 1), NodesBucket, "a", false, forged},
	} {
		t.Run(name, func(t *testing.T) {
			s := sealerOf(t, c.lax, "k0", "k1")
			require.Equal(t, c.want, s.check(c.bucket, c.key, []byte(c.value)))
			require.Equal(t, trusted, (*sealer)(nil).check(c.bucket, c.key, []byte(c.value)), "a node without keys believes all")
		})
	}
	s := sealerOf(t, false, many...)
	got, err := unseal[NodeRecord](s, NodesBucket, "a", encode(s, NodesBucket, "a", rec))
	require.NoError(t, err)
	got.raw = ""
	require.Equal(t, rec, got, "more keys than a record is sealed with")
	s.check(RoomsBucket, "r", []byte(`{}`))
	require.Equal(t, map[string]uint64{"unsealed": 1, "forged": 0}, s.counts(RoomsBucket))
	require.Equal(t, map[string]uint64{"unsealed": 0, "forged": 0}, s.counts(NodesBucket))
}

// TestRecordsOfOthersAreWrittenBackAsTheyWere: the proof that a node's earlier incarnation is dead takes a
// write to the node's key. That node may have other keys or be of a later version. Others believe that node,
// and its own next renewal has to find what it has written.
func TestRecordsOfOthersAreWrittenBackAsTheyWere(t *testing.T) {
	theirs := sealerOf(t, false, "k9")
	value := theirs.seal(NodesBucket, "a", []byte(`{"id":"a","incarnation":"1","url":"http://a.test","later":[1]}`))
	for name, c := range map[string]struct {
		s   *sealer
		d   doubt
		url string // where users are sent
	}{
		"with other keys": {sealerOf(t, false, "k1"), forged, ""},
		"without keys":    {sealerOf(t, false), trusted, "http://a.test"},
		"with its keys":   {theirs, trusted, "http://a.test"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := unseal[NodeRecord](c.s, NodesBucket, "a", value)
			require.NoError(t, err)
			require.Equal(t, c.d, r.doubt)
			v := newView(time.Now)
			v.setNode("a", entry[NodeRecord]{r, 1})
			require.Equal(t, c.url, v.nodes["a"].record.URL)
			require.Equal(t, string(value), string(encode(c.s, NodesBucket, "a", v.nodes["a"].record)))
		})
	}
}

func FuzzUnseal(f *testing.F) {
	s := sealerOf(f, false, "k1")
	f.Add([]byte(`{"node":"a"}`))
	genuine := encode(s, RoomsBucket, "s-a", RoomRecord{Node: "a", Incarnation: "1"})
	f.Add(genuine)
	f.Add([]byte(strings.TrimSuffix(string(genuine), `"}`) + ` ","node":"evil"}`))
	f.Add([]byte(`{"node":"a","mac":"k1:AAAAAAAAAAAAAAAAAAAAAA k1:"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := unseal[RoomRecord](s, RoomsBucket, "s-b", value)
		if err == nil && r.doubt == trusted {
			t.Fatal("a record that nobody has sealed is believed")
		}
		r, err = unseal[RoomRecord](s, RoomsBucket, "s-a", value)
		if err == nil && r.doubt == trusted && (r.Node != "a" || r.Incarnation != "1") {
			t.Fatalf("a seal of another record is believed: %+v", r)
		}
	})
}

// keyed joins with keys, as nodes of one service have them.
func keyed(t *testing.T, url, id string, keys []RecordKey, change func(*Options)) *member {
	t.Helper()
	m := prepare(t, url, id, change)
	m.SetKeys(keys)
	m.run(t)
	select {
	case <-m.Opened():
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not take entries: %v", id, m.Open())
	}
	return m
}

// TestNobodyIsSentToAForgedNode: somebody who reaches NATS registers a node and says that rooms are there.
func TestNobodyIsSentToAForgedNode(t *testing.T) {
	b := newBroker(t)
	a := keyed(t, b.url(), "a", derive(t, "k1"), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	nodes := b.bucket(NodesBucket)
	go func() { // it lives
		for ctx.Err() == nil {
			_, _ = nodes.Put(ctx, "evil", []byte(`{"id":"evil","incarnation":"e","url":"https://evil.test","load":{"busy":0}}`))
			sleep(ctx, testLease/4)
		}
	}()
	a.knows(t, 2)
	lobby := room(t, "lobby")
	_, err := b.bucket(RoomsBucket).Put(t.Context(), bus.RoomToken(lobby), []byte(`{"node":"evil","incarnation":"e"}`))
	require.NoError(t, err)
	_, err = a.Claim(t.Context(), lobby, true)
	require.ErrorIs(t, err, terms.CodeNodeDraining)
	require.Empty(t, a.Others())
	require.False(t, a.Trusts("https://evil.test"))
	_, ok := a.NodeURL("evil")
	require.False(t, ok)
	a.mu.Lock()
	candidates := a.view.candidates()
	a.mu.Unlock()
	require.Len(t, candidates, 1, "no room is placed there")
	require.NotZero(t, a.Counters().RefusedNodes["unsealed"])
	require.NotZero(t, a.Counters().RefusedRooms["unsealed"])
}

// TestAForgedEntryIsNotFollowed: it names a node that is to be believed.
func TestAForgedEntryIsNotFollowed(t *testing.T) {
	b := newBroker(t)
	keys := derive(t, "k1")
	a, other := keyed(t, b.url(), "a", keys, nil), keyed(t, b.url(), "b", keys, nil)
	a.knows(t, 2)
	lobby := room(t, "lobby")
	entry := fmt.Sprintf(`{"node":"b","incarnation":%q}`, other.incarnation())
	_, err := b.bucket(RoomsBucket).Put(t.Context(), bus.RoomToken(lobby), []byte(entry))
	require.NoError(t, err)
	_, err = a.Claim(t.Context(), lobby, true)
	require.ErrorIs(t, err, terms.CodeNodeDraining)
	other.claim(t, lobby)
	a.elsewhere(t, lobby, "b")
}

// TestKeysAreRotated rotates keys as docs/operations.md says: the new one is added at every node and then put
// first. Then the old one goes.
func TestKeysAreRotated(t *testing.T) {
	b := newBroker(t)
	a, other := keyed(t, b.url(), "a", derive(t, "k1"), nil), keyed(t, b.url(), "b", derive(t, "k1"), nil)
	a.knows(t, 2)
	other.knows(t, 2)
	first := room(t, "from the beginning")
	a.claim(t, first)
	entry := func() string {
		e, err := b.bucket(RoomsBucket).Get(t.Context(), bus.RoomToken(first))
		require.NoError(t, err)
		return string(e.Value())
	}
	for _, step := range [][]string{{"k1", "k2"}, {"k2", "k1"}, {"k2"}} {
		for _, m := range []*member{a, other} { // one after the other
			m.SetKeys(derive(t, step...))
			await(t, "the node is believed, and so is the room's entry", func() bool {
				a.mu.Lock()
				doubted := len(a.view.doubted)
				a.mu.Unlock()
				return doubted == 0 && len(a.Others()) == 1 && len(other.Others()) == 1
			})
			other.elsewhere(t, first, "a")
		}
		await(t, "the entry is sealed with what is in force", func() bool {
			text := entry()
			return strings.Contains(text, "k2:") && strings.Contains(text, "k1:") == (len(step) == 2)
		})
		other.elsewhere(t, first, "a")
	}
}

// TestNewKeysAreUsedAtOnce: new keys do not wait for the next renewal, which may be seconds away.
func TestNewKeysAreUsedAtOnce(t *testing.T) {
	b := newBroker(t)
	a := keyed(t, b.url(), "a", derive(t, "k1"), func(o *Options) { o.Lease = 3 * time.Minute })
	record := func() string {
		e, err := b.bucket(NodesBucket).Get(t.Context(), "a")
		require.NoError(t, err)
		return string(e.Value())
	}
	require.Contains(t, record(), "k1:")
	a.SetKeys(derive(t, "k2", "k1"))
	await(t, "the node's record is sealed with them", func() bool { return strings.Contains(record(), "k2:") })
}

// TestAClusterWhileItIsUpgraded: a node of the version before seals nothing. Only a node that takes unsealed
// records follows it.
func TestAClusterWhileItIsUpgraded(t *testing.T) {
	b := newBroker(t)
	old := join(t, b.url(), "old", nil)
	lax := keyed(t, b.url(), "lax", derive(t, "k1"), func(o *Options) { o.Unsealed = true })
	strict := keyed(t, b.url(), "strict", derive(t, "k1"), nil)
	for _, m := range []*member{old, lax, strict} {
		m.knows(t, 3)
	}
	lobby, hall := room(t, "lobby"), room(t, "hall")
	old.claim(t, lobby)
	lax.elsewhere(t, lobby, "old")
	_, err := strict.Claim(t.Context(), lobby, true)
	require.ErrorIs(t, err, terms.CodeNodeDraining, "it is not taken from the node that has it")
	require.Equal(t, []string{"http://lax.test"}, strict.Others())
	lax.claim(t, hall)
	old.elsewhere(t, hall, "lax")
	strict.elsewhere(t, hall, "lax")
	old.stop()
	await(t, "what it had is placed anew", func() bool {
		_, err := strict.Claim(t.Context(), lobby, true)
		return err == nil
	})
}
