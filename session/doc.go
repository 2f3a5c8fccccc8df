// Package session is the social side of a room: who is in, with which role and rights, who is told what, and
// above all the way out. It joins router (the room's media) and transport (the wire). It knows no door: the
// WebSocket, WHIP and WHEP handlers, NATS commands and the command line all call the same few functions.
//
//	terms/       the vocabulary: ids, roles, sources, rights, errors, events
//	sources.go   sets of sources, and what they are to the router
//	feed.go      Events: who is told what the back end is to know
//	retell.go    telling the feed anew
//	mailbox.go   mailbox: a client's events until it has acknowledged them
//	coalesce.go  coalesce: the net effect of events that were never sent
//	options.go   Options, Limits, Timers
//	wire.go      Transport, Peer: what this package needs of the wire
//	endpoint.go  OverEndpoint: *transport.Endpoint as a Transport
//	relay.go     Relay: the TURN server, and who is told of it
//	rooms.go     Rooms: all rooms of a node; Enter, Resume, Lookup
//	room.go      room: its members, who sees whom, telling
//	enter.go     entering, and entering again
//	entries.go   how often one user may enter
//	counts.go    how often users have entered, were refused and have left
//	leave.go     the one way out, in its five steps; how a room ends
//	session.go   Session: the door's hold on one entering
//	media.go     negotiating, peers
//	publish.go   what a user publishes: rights, places, what is forwarded of it
//	seats.go     seats: who is shown where
//	sizes.go     at which sizes
//	renew.go     another grant for a session: what ends with it; the end of a grant
//	loudest.go   seats of the loudest
//	report.go    reports: what is worth knowing at the moment only
//	volume.go    who speaks, and how loud
//	viewers.go   how many watch in a live room
//	message.go   custom messages
//	frame.go     their form on data channels
//	quota.go     how much one user may send
//	messagecount.go their counters
//	undecodable.go what cannot be sent to a user, as its client decodes none of it: who is told
//	layers.go    which layers of its own streams a client is to send
//	quality.go   how good a connection is: a pure function
//	statistics.go the report of a user's network
//	role.go      switching between anchor and audience
//	profile.go   what users are called, by themselves, their tokens and commands
//	block.go     blocking a user's streams, a command
//	marks.go     keeping bans and blocks beyond this node
//	admin.go     commands: remove, dismiss, list
//	describe.go  commands: rooms and users as they are
//	detail.go    commands: the network and the streams of one user
//	client.go    from where a user has entered, and with what
//	totals.go    Media: the media counters of the node
//	life.go      time-outs, empty rooms, bans, shutting down
//	trace.go     the spans of a session
//	fakewire/    a transport without a network, for tests
//
// # Locks
//
// In this order, and none is held while something outside the package is called, with the exceptions named:
//
//  1. media.mu, one per participant: held across a change of the participant's media, because changes must
//     not overlap. Router and Peer are called under it. Two participants' are never held at once.
//  2. participant.sending.mu: held while a message of the user is handed out. Other users' Peers are called
//     under it, which do not block.
//  3. room.mu: members and what they see. Events.Publish is called under it, for order; it must not block
//     (see there). So is Marks.Keep.
//  4. Rooms.mu: which rooms and sessions there are. Marks.EndBlocks is called under it.
//  5. mailbox.mu. The wake of Session.Poll is called under it and whatever is held above.
//  6. reports.mu, reporter.mu. What Session.Reports was given is called under the latter.
//
// A method whose name ends in Locked is called with its receiver's lock held, and holds on to it: media.mu of
// a participant, room.mu of a room and its list, mailbox.mu, Rooms.mu. One that lets go of room.mu while it
// waits is called await.
package session
