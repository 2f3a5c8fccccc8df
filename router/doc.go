// Package router is the media side of a room: who gets which packet, rewritten how.
//
// A Room is a goroutine (Run) around a core that has no goroutine, lock, socket or clock of its own. Batches
// of packets, calls and the time go in; packets to peers come out. The core owns everything below it.
//
// # The model
//
//   - A peer is one transport connection of a member. Its publishing sections are tracks, its receiving
//     sections are sinks.
//   - A track (TrackKey: member and source) has a stream per simulcast layer. A stream is one SSRC of a
//     publisher, its ring of packets, what it misses, and two lists of sinks. The sinks of one list are fed
//     by it, those of the other wait for it to bring a keyframe.
//   - A sink is one outgoing SSRC, for ever. Who and what feeds it changes (occupant, layer, codec), but the
//     receiver sees one continuous stream: a segment of its sequence map holds the rewriting for one source.
//
// # Map of the files
//
//	types.go        the names and options of the interface
//	room.go         Room: Run, calls posted to the goroutine
//	inbox.go        batches that wait for the goroutine, and who is dropped when it does not keep up
//	overload.go     what is left out if the room does not keep up
//	core.go         core: batches in, timers, calls
//	peer.go         a peer: attach, update, detach
//	track.go        tracks and streams: how they come and go
//	bind.go         which stream an SSRC belongs to
//	receive.go      a packet comes in: order, losses, codec, ring
//	layer.go        which layer a sink should get: a pure function
//	demand.go       which layers publishers are to send
//	section.go      receiving sections: their sinks, SSRCs and codecs
//	sink.go         a sink takes up and leaves streams
//	layered.go      streams with layers inside: each sink gets its own
//	chase.go        what receivers stand still without
//	rewrite.go      the packets of one stream go on from those of the one before
//	undecodable.go  sinks whose receiver cannot take the codec
//	forward.go      a packet goes out: the rewriting, the hot path
//	outgoing.go     packets that are in hand, sent as runs of a stream
//	pace.go         bursts leave in steps
//	volume.go       who speaks, and how loud
//	floor.go        places for the loudest
//	sample.go       what flows to and from peers, and what is lost of it
//	resend.go       receivers ask for lost packets
//	protection.go   pictures survive heavy loss: copies, and the lowest layer
//	holding.go      receivers wait with pictures for what was lost
//	sound.go        sound survives loss: it is sent again as it was, and with what went before
//	keyframe.go     keyframe requests to publishers
//	cache.go        what came since a keyframe, for sinks that begin
//	downlink.go     what a peer receives, and what its transport-wide feedback says of it
//	network.go      what the network to a peer carries
//	bounded.go      the same of peers without transport-wide feedback
//	division.go     and how that is divided among its pictures
//	thin.go         fewer frames of a picture for receivers that cannot have all
//	probing.go      whether it carries more
//	rate.go         what a stream brings in a second
//	feedback.go     RTCP comes in
//	extended.go     extended reports: round trips
//	report.go       RTCP goes out: reports, requests for lost packets
//	arrivals.go     transport-wide feedback to publishers
//	counters.go     what is counted, and why packets are dropped
//	limit.go        what keeps receivers from larger pictures, and how theirs go on
//	histogram.go    time in the node, round trips and loss, counted by bounds
//	snapshot.go     Snapshot: the state for describing and metrics
//	usage.go        Usage: the traffic of single members
//
// Algorithms are packages of their own: header, codec, seqmap, ring, nack, pace, gop, clock, reception,
// speech, transportcc, sent, red, allocate, bwe, bwe/probe, remb, shed, svc, uplink.
//
// # Rules
//
//   - Never two different packets under one SSRC and sequence number: AES-GCM would give away its key. An
//     incoming packet is taken once (ring), mapped injectively (seqmap), and sent again only as RTX or as the
//     very same bytes.
//   - Nothing is allocated for a forwarded packet.
//   - After Detach, Watch or SetPublishing has returned, not one packet more of what it ended is sent,
//     retransmissions included.
package router
