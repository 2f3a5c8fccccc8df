package router

// Drop is a reason why a packet was not forwarded.
type Drop uint8

// The reasons. Those up to DropDuplicate, but for DropNetworkLayer, concern a packet that came in. The others
// concern a packet for one sink, or no packet; DropPadding also an empty retransmission that came in.
const (
	DropInbox         Drop = iota // the room's goroutine did not keep up
	DropShare                     // the same, of a peer that had more than its share of the inbox
	DropOverloadLayer             // the room does not keep up: of a frame that no other needs
	DropOverloadFrame             // the room does not keep up: of a stream left out up to a keyframe
	DropNetworkLayer              // the receiver's network does not carry it: of a frame that no other needs
	DropPeer                      // from a peer that is not attached
	DropMalformed                 // no RTP or RTCP that can be read
	DropSSRC                      // belongs to no section
	DropSSRCChange                // a section's SSRC changed again too soon
	DropPayloadType               // not negotiated, or of a codec that the stream has left
	DropOff                       // the track is switched off or superseded by a newer one
	DropSequence                  // sequence number far from all others
	DropRepair                    // retransmission of nothing, or of something unknown
	DropTooOld                    // older than what the ring knows
	DropDuplicate                 // came before
	DropPadding                   // nothing but padding
	DropLate                      // from before the sink took up the stream
	DropCodec                     // the receiver has no payload type for the codec
	DropResend                    // asked for, but no longer held, sent again just now, or too much in all
	DropKeyframeQuota             // no packet: a receiver's request for a keyframe beyond its quota, put off
	// DropTransportLeap: no packet; transport-wide numbers of a publisher leapt, so that its feedback began
	// anew.
	DropTransportLeap
	DropREMB // no packet: a rate that a receiver has told and cannot mean
	drops
)

var dropNames = [drops]string{
	"inbox_full", "inbox_share", "overload_layer", "overload_frame", "network_layer", "unknown_peer", "malformed", "unknown_ssrc", "ssrc_change", "payload_type", "off", "sequence", "repair",
	"too_old", "duplicate", "padding", "late", "codec", "resend", "keyframe_quota", "transport_leap", "remb",
}

// String returns the name for metrics.
func (d Drop) String() string {
	if d < drops {
		return dropNames[d]
	}
	return "unknown"
}

// Totals counts since the room began. Packets are RTP unless said otherwise.
type Totals struct {
	PacketTotals
	RepairTotals
	KeyframeTotals
	LayerTotals
	NetworkTotals
}

// PacketTotals are of what came in and went out.
type PacketTotals struct {
	PacketsIn, BytesIn   uint64        // as opened, header included
	PacketsOut, BytesOut uint64        // before sealing, header included; retransmissions are not in it
	RTCPIn, RTCPOut      uint64        // compound packets
	Paced                uint64        // publishers' packets held, so that a burst leaves in steps
	SinksRefused         uint64        // receiving sections beyond what a peer may have in its life
	Dropped              [drops]uint64 // by Drop

	// Residence is the time of media in the node, in ns: from the read of a batch to when all that came of it
	// is sent. It is counted once for each batch with RTP. What is held on purpose (Paced) is not in it.
	Residence Histogram
}

// RepairTotals are of packets that were lost, or might have been.
type RepairTotals struct {
	NACKsIn, NACKsOut uint64 // packets asked for
	Resent            uint64 // to receivers
	PictureCopies     uint64 // of them, of pictures: unasked, or beside the first answer to a request
	Repaired          uint64 // by publishers' retransmissions
	RedBlocks         uint64 // frames of sound that went once more in later packets
	Copies            uint64 // packets of sound that were sent again unasked
}

// KeyframeTotals are of keyframes, and of those that the cache has.
type KeyframeTotals struct {
	KeyframesAsked   uint64 // by receivers and by switches
	KeyframeRequests uint64 // sent to publishers
	Keyframes        uint64 // received
	CacheHits        uint64 // a sink began with a keyframe of the cache, and has caught up
	// CacheMisses: a sink without a picture waits for a keyframe, as the cache has none or a new one is
	// sooner.
	CacheMisses    uint64
	CacheAbandoned uint64 // a sink began with a keyframe of the cache, but has to wait for another
}

// LayerTotals are of what sinks show, and of the layers that are sent.
type LayerTotals struct {
	Switches             uint64 // a sink took up a stream
	SpeakerSwitches      uint64 // somebody took a place of the loudest
	LayersOff, LayersOn  uint64 // publishers' layers switched off as nobody wanted them, and on again
	Pauses               uint64 // a picture that a receiver's network does not carry was paused
	PausedTime           uint64 // ns that pictures were paused for
	LayersUp, LayersDown uint64 // a receiver's network lets a higher layer be sent to it, or no longer does
	LayersFailed         uint64 // layers that went up, or pictures that came back, and were not carried
}

// NetworkTotals are of the networks to peers.
type NetworkTotals struct {
	Probes, ProbeBytes     uint64 // clusters that measure receivers' networks; their bytes, before sealing
	TransportReported      uint64 // packets that receivers' transport-wide feedback tells of
	TransportReportedLost  uint64 // of them, those that did not arrive
	TransportFeedbacksSent uint64

	// RTT and Loss are what receivers report of the node's streams: the round trip and the share lost since
	// the report before. They are counted once for each stream and report.
	RTT, Loss Histogram
	// Estimate, Queue and Use are of receivers' networks, once in SampleInterval for each that is known.
	// Estimate is what the network carries, Queue how long packets wait. Use is, if more is wanted, which
	// share of what may be sent is sent.
	Estimate, Queue, Use Histogram
}

// DropReasons returns the reasons that Totals.Dropped is indexed by.
func DropReasons() []Drop {
	all := make([]Drop, drops)
	for i := range all {
		all[i] = Drop(i)
	}
	return all
}

func (c *core) drop(why Drop) { c.totals.Dropped[why]++ }
