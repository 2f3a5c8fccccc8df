// Command sfu is Parlor's media node, and what an operator steers it with.
//
//	sfu                        serve
//	sfu config                 print the effective configuration
//	sfu key create             make a key
//	sfu token create           make a token for a user
//	sfu room list, show, dismiss, message
//	sfu user remove, show, block, message
//	sfu node list, show, drain
//	sfu healthcheck, version
//
// Exit codes: 0 done; 1 it did not work; 2 wrong arguments or configuration; 3 there is no such room or user.
//
//	main.go    the root command, exit codes
//	serve.go   the node
//	config.go  loading the configuration, `sfu config`
//	token.go   keys and tokens
//	operator.go  reaching running nodes, over NATS or HTTP
//	rooms.go, users.go, nodes.go  commands to them
//	output.go  tables and JSON
//	health.go  `sfu healthcheck`, `sfu version`
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"parlor/config"
	"parlor/sfu"
)

// Exit codes.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
)

// failure is an error with an exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage makes an error that the caller of the command is to blame for.
func usage(format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	root := rootCommand()
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, explain(err))
	os.Exit(exitCode(err))
}

// rootCommand is the whole command line.
func rootCommand() *cobra.Command {
	root := serveCommand()
	root.Version = sfu.Version()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w\nsee `%s --help`", err, c.CommandPath())
	})
	root.AddCommand(roomCommand(), userCommand(), nodeCommand(), tokenCommand(), keyCommand(), configCommand(), healthCommand(), versionCommand())
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return usage("unknown command %q; see `%s --help`", args[0], c.CommandPath())
	}}
	c.AddCommand(commands...)
	return c
}

// explain puts an error into words for the terminal, each fault of the configuration on a line of its own.
func explain(err error) string {
	var fault *config.Error
	if !errors.As(err, &fault) {
		return "sfu: " + err.Error()
	}
	lines := []string{"sfu: the configuration cannot be used:"}
	for _, one := range parts(err) {
		lines = append(lines, "  "+one.Error())
	}
	return strings.Join(lines, "\n")
}

// parts returns the errors that err joins, or err itself.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, parts(e)...)
	}
	return all
}

func exitCode(err error) int {
	var f *failure
	var fault *config.Error
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &fault), strings.HasPrefix(err.Error(), "unknown command"), strings.Contains(err.Error(), "arg(s)"): // cobra's own
		return exitUsage
	}
	return exitFailed
}
