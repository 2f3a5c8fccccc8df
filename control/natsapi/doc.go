// Package natsapi is the door of commands to NATS: they come in as requests to a NATS micro service.
//
//	subject.go  subjects
//	service.go  Register, Service: the micro service
//	standby.go  commands that a node got which hangs
//	client.go   Client: commands, from Go
//
// Package command says what the commands are. Endpoints are sfu.v1.<Action>, which one of all nodes answers,
// and sfu.v1.node.<node>.<Action>, which one node answers for itself alone. An error answer has the headers
// Nats-Service-Error-Code (terms.Code) and Nats-Service-Error (a text that names the field), and both again
// as a JSON body.
package natsapi
