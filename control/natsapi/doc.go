// Package natsapi is the door of a node's rooms to NATS: commands come in as requests to a NATS micro service, the feed of
// events goes out to a JetStream stream. Nothing else in the project knows NATS.
//
//	connect.go   Connect: a connection that never gives up; trouble.go says why it fails, once
//	subject.go   subjects
//	service.go   Register, Service: the micro service
//	standby.go   commands that a node got which hangs
//	feed.go      Feed: events to the stream, none lost while NATS is away; lines.go what waits, shed.go what of it is left out where it
//	             is too much; stream.go the stream
//	begin.go     what a Feed does before it publishes on a new connection
//	hold.go      the bucket that says whose feeds are not complete
//	complete.go  telling the ends that the feed of a dead node owes; remains.go which these are
//	completer.go Completer: which nodes are gone for good
//	client.go    Client: commands, from Go
//
// What the commands are is package command's. Endpoints are sfu.v1.<Action>, which one of all nodes answers, and
// sfu.v1.node.<node>.<Action>, where one node answers for itself alone. An error answer has the headers
// Nats-Service-Error-Code (terms.Code) and Nats-Service-Error (a text that names the field), and both again as a JSON body.
package natsapi
