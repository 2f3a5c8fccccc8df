// Package terms is the vocabulary of rooms. It says what rooms and users, their roles, sources, rights,
// errors and events are called, how they are written, and which of them there can be. It is a leaf. So a
// reader of tokens, or a door that answers with an error, needs no media.
//
//	errors.go   Code, Error: the stable names of what can go wrong
//	roomid.go   RoomID: a string or an integer
//	profile.go  Profile: display names, metadata
//	names.go    user ids, Role, Scene, Source, Quality
//	rights.go   Right, Rights, Grant
//	event.go    Event: what a client is told; reasons
//	feed.go     FeedEvent: what the back end is told
//	message.go  Message: a custom message
//	mark.go     Block, Mark: what commands have said of a user
//	request.go  bounds of what commands ask; Page, RoomFilter
package terms
