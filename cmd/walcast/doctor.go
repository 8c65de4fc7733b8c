package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"walcast/diagnose"
	"walcast/diagnose/doctor"
	"walcast/replication"
	"walcast/server"
)

// exitBlind is the exit code of a doctor that could not look. One that has findings ends
// with exitFailed.
const exitBlind = 2

// examinationLimit bounds an examination, of very many tables say.
const examinationLimit = 2 * time.Minute

type doctorCmd struct {
	connectionSettings

	Slot         string   `default:"walcast" help:"Replication slot, as serve has it."`
	SlotWarnSize size     `default:"10GiB" help:"WAL kept for the slot that is too much, as serve has it."`
	SlotFailover bool     `help:"Whether standbys are to keep the slot, as serve has it."`
	Publication  []string `default:"supabase_realtime" placeholder:"NAME" help:"Publications, as serve has them."`
	LogSize      size     `default:"64MiB" help:"Changes held in memory for resuming, as serve has it."`

	Table []string `env:"-" placeholder:"SCHEMA.TABLE" help:"Only these tables; again for more. Without it all that are published, and those that clients may read and that are not."`
	Role  []string `env:"-" placeholder:"ROLE" help:"Only these roles of clients; again for more. Without it anon and authenticated, or those that walcast may become."`
	JSON  bool     `env:"-" xor:"form" name:"json" help:"Print an object in JSON, for programs."`
	Fix   bool     `env:"-" xor:"form" help:"Print the SQL that mends what was found, as a script for psql. Nothing of it is run."`
}

// Run examines the database. It ends with 0 if nothing was found, 1 if there are problems
// or warnings, and 2 if the database could not be looked at.
func (c *doctorCmd) Run(ctx context.Context, term terminal) error {
	config, scope, err := c.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, examinationLimit)
	defer cancel()
	report, err := server.Examine(ctx, config, scope)
	if err != nil {
		if c.JSON {
			_ = json.NewEncoder(term.out).Encode(map[string]string{"error": err.Error()}) // the exit code says it too
		}
		return &exitError{exitBlind, err}
	}
	if err := c.print(report, term); err != nil {
		return &exitError{exitBlind, err}
	}
	if !report.IsHealthy() {
		return &exitError{code: exitFailed}
	}
	return nil
}

// config is what serve would have, as far as it concerns the database.
func (c *doctorCmd) config() (config server.Config, s doctor.Scope, err error) {
	config = server.DefaultConfig()
	r := replication.DefaultConfig()
	if r.DatabaseURL, err = databaseURL(c.DatabaseURL, c.DatabaseURLFile); err != nil {
		return config, s, err
	}
	r.Slot, r.SlotWarnBytes, r.SlotFailover, r.Publications = c.Slot, int64(c.SlotWarnSize), c.SlotFailover, c.Publication
	config.Replication, config.Log.Bytes = r, int64(c.LogSize)
	for _, text := range c.Table {
		name, err := diagnose.ParseTable(text)
		if err != nil {
			return config, s, wrong("table", "%v", err)
		}
		s.Tables = append(s.Tables, name)
	}
	s.Roles = c.Role
	return config, s, named(r.Validate())
}

func (c *doctorCmd) print(r doctor.Report, term terminal) error {
	switch {
	case c.JSON:
		encoder := json.NewEncoder(term.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(r)
	case c.Fix:
		return r.WriteScript(term.out)
	}
	return r.WriteText(term.out)
}

// exitError ends the program with a code of its own, and with a message if it has an
// error.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// report prints the error, if there is one, and returns the code.
func (e *exitError) report(term terminal) int {
	if e.err == nil {
		return e.code
	}
	return report(term, e.err, e.code)
}
