// Package feed tells back ends of rooms and users. The events that rooms publish go to a JetStream stream of
// NATS, those of a room in order. None goes without its counterpart, also if the node dies.
//
//	feed.go       Feed: events to the stream, none lost while NATS is away
//	queues.go     what waits; shed.go what of it is left out if it is too much
//	stream.go     the stream, and the subjects of events
//	begin.go      what a Feed does before it publishes on a new connection
//	hold.go       the bucket that says whose feeds are not complete
//	complete.go   telling the ends that the feed of a dead node owes; remains.go which these are
//	read.go       Read: following the stream, for people and tools
//	completer.go  Completer: which nodes are gone for good
package feed
