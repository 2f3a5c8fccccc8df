package cluster

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// recordLabel keeps these keys apart from all else that is ever derived of the same secrets (RFC 5869,
	// section 3.2).
	recordLabel = "parlor cluster record v1"
	// macSize is that of HMAC-SHA256-128 (RFC 4868) in bytes.
	macSize = 16
	// maxSealed is how many keys a record is sealed with. Higher lets more keys be in use at a time and makes
	// records longer, by about 40 bytes for each.
	maxSealed = 8
	// maxSeals is the length in bytes of the longest list of MACs that is looked at: that of maxSealed with
	// the longest ids.
	maxSeals = maxSealed * (64 + 1 + 22 + 1)
	// macMember begins the last member of a sealed record. Within a JSON text it cannot be inside a string.
	macMember = `,"mac":"`
)

// RecordKey is a key that records in SFU_NODES and SFU_ROOMS are sealed with.
type RecordKey struct {
	id  string
	key []byte
}

// DeriveKey makes a RecordKey of a secret that the nodes of a cluster share, by HKDF with SHA-256 (RFC 5869).
// id names it: [A-Za-z0-9_-].
func DeriveKey(id string, secret []byte) (RecordKey, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, recordLabel, sha256.Size)
	if err != nil {
		return RecordKey{}, fmt.Errorf("key %q: %w", id, err)
	}
	return RecordKey{id, key}, nil
}

func (k RecordKey) mac(bucket, key string, text []byte) []byte {
	h := hmac.New(sha256.New, k.key)
	for _, part := range []string{bucket, key} { // so that a record is worth nothing under another key
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(text)
	return h.Sum(nil)[:macSize]
}

// doubt says why a record is not believed. The zero value: it is.
type doubt uint8

const (
	trusted  doubt = iota
	unsealed       // it has no MAC
	forged         // it has none by a key of this node
)

func (d doubt) String() string { return [...]string{"trusted", "unsealed", "forged"}[d] }

// sealer seals and checks records: a MAC by each of the keys is their last member. Whoever can write into the
// buckets can still delete records and put earlier ones back. But nobody can make up a node, or give one
// another address. Its methods may be called from any goroutine. seal and check may also be called on a nil
// sealer, which has no key.
type sealer struct {
	keys atomic.Pointer[[]RecordKey] // read-only; none: nothing is sealed, all is believed
	lax  bool                        // what has no MAC is believed

	refused [2][forged + 1]atomic.Uint64 // by bucket, SFU_ROOMS first, and doubt
	tell    rate.Sometimes
}

func newSealer(lax bool) *sealer {
	return &sealer{lax: lax, tell: rate.Sometimes{Interval: time.Minute}}
}

func (s *sealer) list() []RecordKey {
	if s == nil {
		return nil
	}
	if l := s.keys.Load(); l != nil {
		return *l
	}
	return nil
}

// seal returns a record's JSON, an object with members, with its MACs.
func (s *sealer) seal(bucket, key string, text []byte) []byte {
	keys := s.list()
	if len(keys) == 0 {
		return text
	}
	macs := make([]string, 0, maxSealed)
	text = text[:len(text)-1] // without the closing brace
	for _, k := range keys[:min(len(keys), maxSealed)] {
		macs = append(macs, k.id+":"+base64.RawURLEncoding.EncodeToString(k.mac(bucket, key, text)))
	}
	return fmt.Appendf(nil, `%s%s%s"}`, text, macMember, strings.Join(macs, " "))
}

// check says whether a record was sealed with one of the keys.
func (s *sealer) check(bucket, key string, value []byte) doubt {
	keys := s.list()
	if len(keys) == 0 {
		return trusted
	}
	d := verify(keys, bucket, key, value)
	if d == unsealed && s.lax {
		return trusted
	}
	if d != trusted {
		s.count(bucket, d).Add(1)
	}
	return d
}

func (s *sealer) count(bucket string, d doubt) *atomic.Uint64 {
	if bucket == NodesBucket {
		return &s.refused[1][d]
	}
	return &s.refused[0][d]
}

// counts returns how many records of a bucket were not believed, by reason.
func (s *sealer) counts(bucket string) map[string]uint64 {
	m := map[string]uint64{}
	for d := unsealed; d <= forged; d++ {
		m[d.String()] = s.count(bucket, d).Load()
	}
	return m
}

func verify(keys []RecordKey, bucket, key string, value []byte) doubt {
	at := bytes.LastIndex(value, []byte(macMember))
	if at < 0 {
		return unsealed
	}
	seals, whole := bytes.CutSuffix(value[at+len(macMember):], []byte(`"}`))
	// A quote would end the member, and others could follow.
	if !whole || len(seals) > maxSeals || bytes.IndexByte(seals, '"') >= 0 {
		return forged
	}
	for one := range strings.FieldsSeq(string(seals)) {
		id, text, _ := strings.Cut(one, ":")
		mac, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return forged
		}
		for _, k := range keys {
			if k.id == id && hmac.Equal(mac, k.mac(bucket, key, value[:at])) {
				return trusted
			}
		}
	}
	return forged
}

// unseal reads a record, and whether it is to be believed.
func unseal[T NodeRecord | RoomRecord](s *sealer, bucket, key string, value []byte) (T, error) {
	r, err := decode[T](key, value)
	if err == nil {
		d, raw := doubtOf(&r)
		*d = s.check(bucket, key, value)
		if raw != nil {
			*raw = string(value)
		}
	}
	return r, err
}

// encode writes a record, sealed. A record of another node is written as it was read. Others may believe it
// though this node does not, or know members that this node does not.
func encode[T NodeRecord | RoomRecord](s *sealer, bucket, key string, r T) []byte {
	if _, raw := doubtOf(&r); raw != nil && *raw != "" {
		return []byte(*raw)
	}
	b, err := json.Marshal(r)
	if err != nil { // only a float that is no number cannot be written, and Load has none: see tidy
		panic(err)
	}
	return s.seal(bucket, key, b)
}

// doubtOf returns what a record keeps of how it was read; raw is nil for those that nobody writes back.
func doubtOf[T NodeRecord | RoomRecord](r *T) (d *doubt, raw *string) {
	switch r := any(r).(type) {
	case *NodeRecord:
		return &r.doubt, &r.raw
	case *RoomRecord:
		return &r.doubt, nil
	}
	panic("cluster: no record")
}
