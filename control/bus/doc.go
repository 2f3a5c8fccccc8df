// Package bus connects processes to NATS, which is the bus of a cluster: commands, events, leases and marks
// go over it. Of what is said there it knows only the names.
//
//	connect.go  Server: where NATS is; Connect: a connection that never gives up, Dial: one that does
//	trouble.go  Trouble: why there is none, said once
//	subject.go  nodes, rooms and users as parts of subjects and keys
//	stores.go   Stores: whether NATS stores anything
package bus
