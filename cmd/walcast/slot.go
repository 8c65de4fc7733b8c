package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"

	"walcast/replication"
)

type slotCmd struct {
	Status slotStatusCmd `cmd:"" help:"List the database server's logical slots and the WAL that each keeps."`
	Drop   slotDropCmd   `cmd:"" help:"Drop the slot: Postgres keeps no more WAL for walcast, and clients cannot resume over it."`
}

// slotSettings are the settings of serve that slot needs.
type slotSettings struct {
	Config          configFile `placeholder:"PATH" help:"YAML file with settings."`
	DatabaseURL     string     `env:"WALCAST_DATABASE_URL,DATABASE_URL" placeholder:"URL" help:"Database, as serve has it."`
	DatabaseURLFile string     `placeholder:"PATH" help:"File with the database URL."`
	Slot            string     `default:"walcast" help:"Replication slot."`
}

type slotStatusCmd struct{ slotSettings }

type slotDropCmd struct{ slotSettings }

// Run prints a line per slot; the one of this server is marked.
func (c *slotStatusCmd) Run(ctx context.Context, term terminal) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	slots, err := replication.SlotStatus(ctx, conn)
	if err != nil {
		return err
	}
	return printSlots(term.out, slots, c.Slot)
}

func printSlots(out io.Writer, slots []replication.Slot, ours string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLOT\tDATABASE\tPLUGIN\tWAL STATUS\tRETAINED BYTES\tCONFIRMED\tREAD BY")
	found := false
	for _, s := range slots {
		name := s.Name
		if name == ours {
			name, found = name+" *", true
		}
		reader := "nobody"
		if s.Holder != nil {
			reader = s.Holder.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", name, s.Database, s.Plugin, s.WALStatus, s.RetainedBytes, s.Confirmed, reader)
	}
	if !found {
		fmt.Fprintf(w, "(no slot %q: serve creates it)\n", ours)
	}
	return w.Flush()
}

// Run drops the slot if nobody reads it.
func (c *slotDropCmd) Run(ctx context.Context, term terminal) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := replication.DropSlot(ctx, conn, c.Slot); err != nil {
		return err
	}
	_, err = fmt.Fprintf(term.out, "slot %q dropped\n", c.Slot)
	return err
}

// connect opens an ordinary connection. The whole config is validated, as pgx
// would quote a URL that it cannot read.
func (s slotSettings) connect(ctx context.Context) (*pgx.Conn, error) {
	c := replication.DefaultConfig()
	var err error
	if c.DatabaseURL, err = secret("database-url", s.DatabaseURL, s.DatabaseURLFile); err != nil {
		return nil, err
	}
	c.Slot = s.Slot
	if err := named(c.Validate()); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, c.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return conn, nil
}
