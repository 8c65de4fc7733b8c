package cluster

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// natsLogger is what the NATS server logs with. What it says goes to the log of the
// process, without the secrets that it may quote.
type natsLogger struct {
	logger  *slog.Logger
	secrets []string
	fatal   atomic.Pointer[string] // why the server cannot run
}

func (l *natsLogger) text(format string, args []any) string {
	text := fmt.Sprintf(format, args...)
	for _, secret := range l.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// Noticef implements server.Logger: the server's life, which is not the operator's
// concern while all is well.
func (l *natsLogger) Noticef(format string, args ...any) { l.Debugf(format, args...) }

// Debugf implements server.Logger.
func (l *natsLogger) Debugf(format string, args ...any) {
	l.logger.Debug("NATS server says", "text", l.text(format, args))
}

// Tracef implements server.Logger.
func (l *natsLogger) Tracef(format string, args ...any) { l.Debugf(format, args...) }

// unverified is what the server says of any TLS configuration that verifies in its own
// way, as ours does.
const unverified = "hostname of solicited routes will not be verified"

// Warnf implements server.Logger.
func (l *natsLogger) Warnf(format string, args ...any) {
	if strings.Contains(format, unverified) {
		return
	}
	l.logger.Warn("NATS server warns", "text", l.text(format, args))
}

// Errorf implements server.Logger. What fails there is a connection to another node,
// which is tried again.
func (l *natsLogger) Errorf(format string, args ...any) { l.Warnf(format, args...) }

// Fatalf implements server.Logger.
func (l *natsLogger) Fatalf(format string, args ...any) {
	text := l.text(format, args)
	l.fatal.Store(&text)
}
