// Package natsapi is the door of a node's rooms to NATS: commands come in as requests to a NATS micro service, the feed of
// events goes out to a JetStream stream. Nothing else in the project knows NATS.
//
//	connect.go   Connect: a connection that never gives up
//	messages.go  the JSON of commands and answers
//	decode.go    reading commands, and what is said about bad ones
//	service.go   Register, Service: the micro service
//	feed.go      Feed: events to the stream, none lost while NATS is away
//	client.go    Client: commands, from Go
//	embedded/    a NATS server inside the process
//
// Endpoints are sfu.v1.RemoveUser, RemoveUserByStrRoomId, DismissRoom, DismissRoomByStrRoomId, ListRooms and
// DescribeRoom. An error answer has the headers Nats-Service-Error-Code (session.Code) and Nats-Service-Error (a
// text that names the field), and both again as a JSON body.
package natsapi
