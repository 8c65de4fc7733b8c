// Command walcast turns a Postgres with wal_level=logical into a realtime
// backend that speaks Supabase Realtime's channel protocol. `walcast --help`
// names the subcommands; docs/configuration.md has every setting.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes besides 0.
const (
	exitFailed  = 1 // what was asked for did not work
	exitUsage   = 2 // a flag or a setting is wrong; nothing was tried
	exitSignals = 130
)

// commands is the whole command line: flags, environment, help and reference
// are all read off this struct.
type commands struct {
	Serve   serveCmd   `cmd:"" help:"Serve a database's changes to clients."`
	Dev     devCmd     `cmd:"" help:"Try it: serve a private throwaway Postgres with demo tables and keys."`
	Doctor  doctorCmd  `cmd:"" help:"Say what is wrong with a database, and the SQL that mends it. Exit code 0: nothing, 1: something, 2: it could not look."`
	Explain explainCmd `cmd:"" help:"Say why a client does, or does not, get the rows of a table, or one of them. Exit code 0: it does, 1: it does not, 2: it could not look."`
	Health  healthCmd  `cmd:"" help:"Ask a running server whether it is ready, as the check of a container does. Exit code 0: it is."`
	Tail    tailCmd    `cmd:"" help:"Print what comes, as a client that may see it: rows, broadcasts, who is present."`
	Migrate migrateCmd `cmd:"" help:"Make the optional schema realtime, as the database's owner: private channels, and messages from SQL."`
	Token   tokenCmd   `cmd:"" help:"Mint a JWT."`
	Slot    slotCmd    `cmd:"" help:"Look at the replication slot, or drop it."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// terminal is where a subcommand prints its results and its errors.
type terminal struct {
	out, err io.Writer
}

func main() {
	// First of all: until the handler is there, a signal ends the program.
	ctx, stop := interruptible(context.Background())
	code := run(ctx, os.Args[1:], terminal{out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}

// interruptible returns a context that the first SIGINT or SIGTERM ends; the
// second ends the program at once, without waiting for the drain.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range signals {
			if ctx.Err() != nil {
				os.Exit(exitSignals)
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// run is main for tests: it parses, runs the subcommand until ctx is done and
// returns the exit code.
func run(ctx context.Context, args []string, term terminal) int {
	var cli commands
	helped := false
	args = spelled(args)
	parser, err := newParser(&cli, term, func(int) { helped = true })
	if err != nil {
		return report(term, err, exitFailed)
	}
	if err := refuseRemoved(args); err != nil {
		return report(term, err, exitUsage)
	}
	parsed, err := parser.Parse(args)
	if helped {
		return 0
	}
	if err != nil {
		return report(term, err, exitUsage)
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return ended(parsed.Run(term), term)
}

// ended is the exit code of a subcommand.
func ended(err error, term terminal) int {
	var wrong *settingError
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		return report(term, err, exitUsage)
	case errors.As(err, &exit):
		return exit.report(term)
	}
	return report(term, err, exitFailed)
}

// spelled is a command line as kong has it, of one that asks for help or the version as
// people do: "walcast help serve" is "walcast serve --help".
func spelled(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		return append([]string{"version"}, args[1:]...)
	}
	return args
}

func newParser(cli *commands, term terminal, exit func(int)) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("walcast"),
		kong.Description("A realtime backend on any Postgres with wal_level=logical, for the clients of Supabase Realtime."),
		kong.DefaultEnvars("WALCAST"),
		kong.Resolvers(upstreamEnvironment{os.LookupEnv}),
		kong.Writers(term.out, term.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
}

// report prints what is wrong, a line each: several settings may be.
func report(term terminal, err error, code int) int {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(term.err, "walcast:", strings.TrimSuffix(line, "\n"))
	}
	return code
}
