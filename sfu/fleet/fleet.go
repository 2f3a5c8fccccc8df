// Package fleet tests nodes as they run in a cluster: processes of their own, with NATS servers in processes
// of their own, on loopback. It has no code but tests.
//
//	fleet_test.go    processes: nodes, NATS servers, what lies between them
//	people_test.go   users who stay in their rooms over the loss of nodes
//	*_test.go        one file for each thing that can happen to a cluster
package fleet
