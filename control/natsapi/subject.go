package natsapi

import "parlor/control/command"

// Prefix begins the subjects of all commands and events.
const Prefix = "sfu.v1"

// CommandSubject returns where requests of a command go that any node may answer.
func CommandSubject(a command.Action) string { return Prefix + "." + string(a) }

// NodeSubject returns where requests of a command go that one node carries out by itself alone.
func NodeSubject(node string, a command.Action) string {
	return Prefix + ".node." + NodeToken(node) + "." + string(a)
}

// aliveSubject returns where a node answers that it runs.
func aliveSubject(node string) string { return Prefix + ".node." + NodeToken(node) + ".alive" }

// NodeToken returns a node's name as a part of a subject: as it is where that is made of letters, digits, - and _, or else in
// URL-safe base64.
func NodeToken(node string) string { return token("s-", node)[2:] }
