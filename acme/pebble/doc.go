// Package pebble has a node get its certificate from Pebble, the server with which Let's Encrypt has ACME clients
// tested. It has a module of its own, so that Pebble is no dependency of the node.
package pebble
