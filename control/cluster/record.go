package cluster

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// The buckets. SFU_NODES is kept in memory, as what is in it is stale after a lease anyway. SFU_ROOMS is kept
// on disk, so that a NATS server that restarts still knows which node has which room.
const (
	NodesBucket = "SFU_NODES"
	RoomsBucket = "SFU_ROOMS"
)

// Load is how much a node does. It travels in the node's record.
type Load struct {
	CPU              float64 `json:"cpu"` // share of the processors that the process may use, 0 to 1
	PacketsPerSecond float64 `json:"packetsPerSecond"`
	BitsPerSecond    float64 `json:"bitsPerSecond"`
	Participants     int     `json:"participants"`
	Rooms            int     `json:"rooms"`
	// Busy is how near the node is to what it takes, 0 to 1: the largest of its shares. The placing rules go
	// by it.
	Busy float64 `json:"busy"`
}

// NodeRecord is the value of a node's key in SFU_NODES. A fence has no incarnation: another node puts it in
// the place of a node whose lease has run out.
type NodeRecord struct {
	ID          string `json:"id"`
	Incarnation string `json:"incarnation"` // differs with every registration of every process; "": a fence
	URL         string `json:"url,omitempty"`
	Version     string `json:"version,omitempty"`
	Region      string `json:"region,omitempty"`
	Load        Load   `json:"load"`
	Draining    bool   `json:"draining,omitempty"`
	// Claiming says that the node has registered anew and is taking up its rooms. Entries of its earlier
	// incarnations are not free for the taking yet.
	Claiming bool   `json:"claiming,omitempty"`
	FencedBy string `json:"fencedBy,omitempty"`
	// Tells says that the node tells the others which commands it got. Earlier versions do not, and do not
	// have it in their records.
	Tells bool `json:"tells,omitempty"`

	doubt doubt  // as it was read
	raw   string // what was read: it is written back as it is
}

// RoomRecord is the value of a room's key in SFU_ROOMS. The room is on that node as long as the node's
// present incarnation is that one.
type RoomRecord struct {
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"`
	SinceMS     int64  `json:"since"` // Unix milliseconds; for people
	// From is the node that had the room before, whose users come to this one; "": nobody comes from
	// elsewhere. Earlier versions do not write it.
	From string `json:"from,omitempty"`
	// Bucket says for which SFU_ROOMS the record was written: when that was made, by the NATS server's clock
	// (RFC 3339). In another one it is void. "": an earlier version wrote it.
	Bucket string `json:"bucket,omitempty"`

	doubt doubt // as it was read
}

func roomRecord(node, incarnation string, now time.Time, bucket string) RoomRecord {
	return RoomRecord{Node: node, Incarnation: incarnation, SinceMS: now.UnixMilli(), Bucket: bucket}
}

// after is the record of a room whose users come from that node.
func (r RoomRecord) after(from string) RoomRecord {
	r.From = from
	return r
}

// decode reads a record, whoever wrote it: see unseal. What others have written is not trusted to be one.
func decode[T NodeRecord | RoomRecord | MarkRecord | OwedRecord](key string, data []byte) (r T, err error) {
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("entry %s: %w", key, err)
	}
	return r, nil
}

// tidy returns the load without what JSON cannot hold.
func (l Load) tidy() Load {
	for _, f := range []*float64{&l.CPU, &l.PacketsPerSecond, &l.BitsPerSecond, &l.Busy} {
		if !(*f >= 0 && *f < 1e15) {
			*f = 0
		}
	}
	return l
}

// baseURL returns a node's URL if it is one that clients can be sent to; if not, "".
func baseURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || text != u.Scheme+"://"+u.Host {
		return ""
	}
	return text
}
