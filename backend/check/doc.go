// Package check has the packages for back ends do their work against real nodes: each of its tests does the same
// in Go, Node and Python. It needs node, python3, and TypeScript in web/node_modules: make test-backend.
//
//	drive_test.go   what is common: a package driven by a process of its language
//	check_test.go   tokens, commands, webhooks, and that nothing is missing
//	docs_test.go    the programs of docs/backend.md
//	types_test.go   the declarations of the Node package
package check
