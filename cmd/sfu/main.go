// Command sfu is Parlor's media node, and what an operator steers it with.
//
//	sfu                        serve
//	sfu config                 print the effective configuration
//	sfu key create             make a key
//	sfu token create, show     make a token for a user; tell what one says
//	sfu room list, show, dismiss, message
//	sfu user remove, show, block, message
//	sfu node list, show, top, drain
//	sfu events                 follow what happens in rooms
//	sfu healthcheck, completion, version
//
// Exit codes: 0 done; 1 it did not work; 2 wrong arguments or configuration; 3 there is no such room or user.
//
//	main.go      the root command, exit codes
//	serve.go     the node
//	memory.go    giving memory back to the system
//	config.go    loading the configuration, `sfu config`
//	token.go     making keys and tokens; tokenshow.go what a token says
//	operator.go  reaching running nodes, over NATS or HTTP
//	rooms.go, users.go, nodes.go  commands to them; top.go the busiest nodes
//	events.go    following the feed of events
//	watch.go     --watch: looking again and again; screen.go the terminal then
//	output.go    tables and JSON
//	complete.go  completion by shells
//	health.go    `sfu healthcheck`, `sfu version`
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"parlor/config"
	"parlor/session/terms"
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

// wrong is usage of what is wrong with an argument; nil stays nil.
func wrong(err error) error {
	if err == nil {
		return nil
	}
	return usage("%s", terms.AsError(err).Text)
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
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(roomCommand(), userCommand(), nodeCommand(), tokenCommand(), keyCommand(), eventsCommand(), configCommand(), healthCommand(), completionCommand(root), versionCommand())
	counted(root)
	withoutFiles(root)
	return root
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}}
	c.AddCommand(commands...)
	return c
}

// unknownCommand says what was perhaps meant. The word may be a secret that has got into the wrong place.
func unknownCommand(c *cobra.Command, word string) error {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	hint := ""
	if near := config.Nearest(word, names); near != "" {
		hint = fmt.Sprintf(" did you mean `%s %s`?", c.CommandPath(), near)
	}
	return usage("unknown command %q;%s see `%s --help`", config.Quotable(word), hint, c.CommandPath())
}

// meant asks whether a word was meant to be one of words, if it is much like one.
func meant(word string, words []string) string {
	if near := config.Nearest(word, words); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// counted has the commands below one say how they are written if arguments are missing or too many. The
// library's own words would have in them what may be a secret.
func counted(c *cobra.Command) {
	for _, sub := range c.Commands() {
		if check := sub.Args; check != nil {
			sub.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					if own := (*failure)(nil); errors.As(err, &own) {
						return err
					}
					return usage("too many arguments, or too few: it is written `%s`; see `%s --help`", c.UseLine(), c.CommandPath())
				}
				return nil
			}
		}
		counted(sub)
	}
}

// flagError returns what is said of a flag that cannot be used. The library's own words would have in them
// what may be a secret.
func flagError(c *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		name := missing.GetSpecifiedName()
		if short := missing.GetSpecifiedShortnames(); short != "" {
			name, _, _ = strings.Cut(short, "=")
			err = fmt.Errorf("unknown flag: -%s; the names of flags have two dashes before them", config.Quotable(name))
		} else {
			err = fmt.Errorf("unknown flag: --%s", config.Quotable(name))
		}
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := config.Nearest(name, names); near != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	return usage("%w\nsee `%s --help`", err, c.CommandPath())
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
	case errors.As(err, &fault):
		return exitUsage
	}
	return exitFailed
}
