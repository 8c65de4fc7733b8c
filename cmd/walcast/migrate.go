package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/migrations"
	"walcast/replication"
)

type migrateCmd struct {
	connectionSettings

	Print  bool `env:"-" xor:"action" help:"Print the SQL and do nothing."`
	Remove bool `env:"-" xor:"action" help:"Take back what migrate made, stored messages included."`

	GrantTo string `env:"-" xor:"action" placeholder:"ROLE" help:"Grant what it needs to the role that serve connects as, if that is not the one of this command."`
}

// Run makes the schema, prints it or takes it back.
func (c *migrateCmd) Run(ctx context.Context, term terminal) error {
	if c.Print {
		sql, err := migrations.Print()
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(term.out, sql)
		return err
	}
	conn, err := c.connect(ctx, replication.DefaultConfig())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if c.Remove {
		return removeSchema(ctx, conn, term.out)
	}
	report, err := migrations.Apply(ctx, conn, slog.New(slog.DiscardHandler))
	if err != nil {
		return forOwners(err)
	}
	if err := printMigrated(term.out, report); err != nil || c.GrantTo == "" {
		return err
	}
	serving, err := migrations.GrantTo(ctx, conn, c.GrantTo)
	if err != nil {
		return forOwners(err)
	}
	return printServing(term.out, serving)
}

// forOwners says who may do what the role of database-url may not.
func forOwners(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("%w: run it with a database-url whose role owns the database and schema realtime", err)
	}
	return err
}

// printServing tells what was granted, and fails if something is left to be run by
// somebody with more rights.
func printServing(out io.Writer, s migrations.Serving) error {
	for _, statement := range s.Granted {
		fmt.Fprintf(out, "done: %s\n", statement)
	}
	for _, refused := range s.Refused {
		fmt.Fprintf(out, "to be run by somebody who may (%s):\n  %s;\n", refused.Reason, refused.Statement)
	}
	if len(s.Refused) > 0 {
		return fmt.Errorf("role %q lacks what %d statements above would grant", s.Role, len(s.Refused))
	}
	fmt.Fprintf(out, "role %q has what serve needs\n", s.Role)
	return nil
}

func removeSchema(ctx context.Context, conn *pgx.Conn, out io.Writer) error {
	removal, err := migrations.Remove(ctx, conn)
	if err != nil {
		return forOwners(fmt.Errorf("nothing was removed: %w", err))
	}
	for _, object := range removal.Dropped {
		fmt.Fprintln(out, "dropped", object)
	}
	switch {
	case removal.Foreign:
		fmt.Fprintln(out, "schema realtime was not made by walcast: it stays as it is")
	case removal.Blocked != "":
		fmt.Fprintf(out, "schema realtime stays, as others use it: %s\n", removal.Blocked)
	case len(removal.Dropped) == 0:
		fmt.Fprintln(out, "there is no schema realtime")
	}
	return nil
}

// printMigrated tells what was done, and fails if the schema is of no use yet.
func printMigrated(out io.Writer, r migrations.Report) error {
	for _, name := range r.Applied {
		fmt.Fprintln(out, "applied", name)
	}
	if r.Publishes() {
		fmt.Fprintln(out, "servers that run read messages from SQL from now on")
	}
	switch {
	case r.Foreign:
		fmt.Fprintln(out, "schema realtime was not made by walcast: it is used as it is")
	case len(r.Applied) == 0:
		fmt.Fprintln(out, "schema realtime is up to date")
	}
	for _, role := range r.Absent {
		fmt.Fprintf(out, "no role %q, so it has no grants: create it if clients use it, and run this again\n", role)
	}
	for _, name := range r.Upkeep.Refused {
		fmt.Fprintf(out, "partition %s is missing and this role may not create it\n", name)
	}
	for _, gap := range r.Gaps {
		fmt.Fprintf(out, "missing: %s; without it %s\n", gap.Object, gap.Without)
		if gap.Remedy != "" {
			fmt.Fprintf(out, "  %s;\n", gap.Remedy)
		}
	}
	if len(r.Gaps) > 0 {
		return fmt.Errorf("schema realtime lacks %d objects (\"walcast migrate --print\" shows how they are made)", len(r.Gaps))
	}
	return nil
}
