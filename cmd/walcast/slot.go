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

type slotSettings struct {
	connectionSettings

	Slot string `default:"walcast" help:"Replication slot."`
}

// connect opens an ordinary connection to ask about the slot.
func (s slotSettings) connect(ctx context.Context) (*pgx.Conn, error) {
	c := replication.DefaultConfig()
	c.Slot = s.Slot
	return s.connectionSettings.connect(ctx, c)
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
