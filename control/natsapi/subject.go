package natsapi

import (
	"parlor/control/bus"
	"parlor/control/command"
)

// CommandSubject returns where requests of a command go that any node may answer.
func CommandSubject(a command.Action) string { return bus.Prefix + "." + string(a) }

// NodeSubject returns where requests of a command go that one node carries out by itself alone.
func NodeSubject(node string, a command.Action) string {
	return bus.Prefix + ".node." + bus.NodeToken(node) + "." + string(a)
}

// aliveSubject returns where a node answers that it runs.
func aliveSubject(node string) string { return bus.Prefix + ".node." + bus.NodeToken(node) + ".alive" }
