package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"walcast/diagnose/doctor"
	"walcast/replication"
)

const (
	// doctorPool is how many connections an examination has for itself, so that nobody
	// waits for it.
	doctorPool = 2
	// doctorLimit bounds an examination by a server.
	doctorLimit = 30 * time.Second
	// doctorPause is how long after it has begun to stream a server examines its database:
	// clients come back at first.
	doctorPause = 3 * time.Second
	// doctorTables is how many tables a server checks at its start.
	doctorTables = 50
	// doctorLines is how many findings are logged at the start: as many as a log that is
	// thinned out has of lines that say the same.
	doctorLines = 10
)

// Examine examines the database of a config, and how the WAL is reached. An error means
// that it could not be looked at, and says why in a sentence.
func Examine(ctx context.Context, c Config, s doctor.Scope) (doctor.Report, error) {
	return examine(ctx, c, s, doctor.Config{Probe: func(ctx context.Context) (string, error) {
		return replication.Probe(ctx, c.Replication.DatabaseURL)
	}})
}

// examine is Examine, in the way that d says: a server that streams leaves the probe out.
func examine(ctx context.Context, c Config, s doctor.Scope, d doctor.Config) (doctor.Report, error) {
	pool, err := openPool(ctx, c, doctorPool)
	if err != nil {
		return doctor.Report{}, err
	}
	defer pool.Close()
	d.Pool, d.Slot, d.SlotWarnBytes, d.SlotFailover = pool, c.Replication.Slot, c.Replication.SlotWarnBytes, c.Replication.SlotFailover
	d.Publications, d.LogBytes, d.Policy = c.Replication.Publications, c.Log.Bytes, c.Policy
	report, err := doctor.Examine(ctx, d, s)
	switch {
	case err != nil && ctx.Err() != nil:
		return doctor.Report{}, errors.New("examine the database: not done in time, name tables to look at fewer")
	case err != nil:
		return doctor.Report{}, fmt.Errorf("examine the database: %s", oneLine(err))
	}
	return report, nil
}

// examine examines the database while it is served.
func (p *project) examine(ctx context.Context, s doctor.Scope) (doctor.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	return examine(ctx, p.config, s, doctor.Config{})
}

// examineOnce logs what is wrong with the database, once, after s has begun to stream. It
// returns then, or with ctx.
func (p *project) examineOnce(ctx context.Context, s *Server) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil
	}
	select {
	case <-time.After(doctorPause):
	case <-ctx.Done():
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	report, err := examine(limited, p.config, doctor.Scope{}, doctor.Config{TablesMost: doctorTables})
	if err != nil {
		if ctx.Err() == nil {
			p.logger.Info("database not examined", "err", oneLine(err))
		}
		return nil
	}
	logFindings(report, s.logger.With("component", "doctor"))
	return nil
}

// isTold reports whether a finding is left out of the log: the reader logs it by itself, or
// it is about the examination.
func isTold(code string) bool {
	switch code {
	case "identity_missing", "publication_missing", "slot_retained", "tables_left_out":
		return true
	}
	return false
}

// logFindings has a line for each problem and warning, problems first.
func logFindings(r doctor.Report, logger *slog.Logger) {
	lines, left := 0, 0
	for _, v := range []doctor.Verdict{doctor.Problem, doctor.Warning} {
		for _, f := range r.Findings {
			switch {
			case f.Verdict != v || isTold(f.Code):
			case lines == doctorLines:
				left++
			default:
				lines++
				logger.Warn("the database is not as it should be", attributes(f)...)
			}
		}
	}
	if left > 0 {
		logger.Warn("the database has more that is not as it should be: run walcast doctor", "findings", left)
	}
}

// attributes are the parts of a finding that a line has.
func attributes(f doctor.Finding) []any {
	all := []any{"code", f.Code, "about", f.About.String(), "reason", f.Reason}
	if f.Fix != "" {
		all = append(all, "fix", f.Fix)
	}
	if f.Cost != "" {
		all = append(all, "cost", f.Cost)
	}
	if f.Advice != "" {
		all = append(all, "do", f.Advice)
	}
	return all
}
