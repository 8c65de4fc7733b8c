package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"walcast/server"
)

// afterDrain is how long shards, reader and Postgres may take to stop once the
// clients have left. With the default drain-timeout a stop ends within ten
// seconds, after which Docker kills.
const afterDrain = 1500 * time.Millisecond

type serveCmd struct {
	Config configFile `placeholder:"PATH" help:"YAML file with settings. Flags and environment variables win over it."`

	settings
}

// Run serves until ctx is done.
func (c *serveCmd) Run(ctx context.Context, term terminal) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if config.StateDir == "" {
		config.StateDir = defaultStateDir()
	}
	logger, level := c.logger(term)
	config.LogLevel, config.Memory = level, memoryLimit(config)
	logger.Info("starting", "version", version, "pid", os.Getpid())
	warnOfSettings(c.tokenSettings, logger)
	s, err := server.New(config, logger)
	if err != nil {
		return named(err) // an address that cannot be listened on
	}
	run := running{server: s, stopLimit: config.Gateway.DrainTimeout + afterDrain, logger: logger}
	return run.serve(ctx, func() { c.announce(s, config, term) })
}

// warnOfSettings says what is allowed and yet a bad idea.
func warnOfSettings(t tokenSettings, logger *slog.Logger) {
	if t.InsecureNoAuth {
		logger.Warn("INSECURE: --insecure-no-auth is set, everybody who can connect acts as role anon without any token; never use it where others can connect")
	}
	if key, err := secret("jwt-secret", t.JWTSecret, t.JWTSecretFile); err == nil && key != "" && len(key) < 32 {
		logger.Warn("the JWT secret has less than 32 bytes and can be guessed from one token", "bytes", len(key))
	}
}

// running is a server between start and stop.
type running struct {
	server    *server.Server
	stopLimit time.Duration // from ctx being done to the end
	logger    *slog.Logger
}

// serve runs the server until ctx is done and it has drained. ready is called
// when it streams for the first time.
func (r running) serve(ctx context.Context, ready func()) error {
	ended := make(chan error, 1)
	go func() { ended <- r.server.Run(ctx) }()
	streams := r.server.Ready()
	for {
		select {
		case <-streams:
			ready()
			notify(daemon.SdNotifyReady, r.logger)
			streams = nil
		case role := <-r.server.Roles():
			notify(state(role), r.logger)
		case err := <-ended:
			return err
		case <-ctx.Done():
			return r.stop(ended)
		}
	}
}

// stop waits until the server has ended.
func (r running) stop(ended <-chan error) error {
	r.logger.Info("stopping")
	notify(daemon.SdNotifyStopping, r.logger)
	select {
	case err := <-ended:
		return err
	case <-time.After(r.stopLimit):
		return fmt.Errorf("stop: not done within %s", r.stopLimit)
	}
}

// announce prints the one line that says it works, in the form of the log, to
// standard output where no other line goes.
func (c *serveCmd) announce(s *server.Server, config server.Config, term terminal) {
	facts := []any{
		"address", s.Addr(),
		"database", s.Database(),
		"slot", config.Replication.Slot,
		"publication", strings.Join(config.Replication.Publications, ","),
	}
	if c.LogFormat == "json" {
		slog.New(slog.NewJSONHandler(term.out, nil)).Info("walcast ready", facts...)
		return
	}
	printFacts(term.out, "walcast ready", facts)
}

func printFacts(w io.Writer, message string, facts []any) {
	var line strings.Builder
	line.WriteString(message)
	for i := 0; i < len(facts); i += 2 {
		fmt.Fprintf(&line, " %s=%s", facts[i], facts[i+1])
	}
	fmt.Fprintln(w, line.String())
}
