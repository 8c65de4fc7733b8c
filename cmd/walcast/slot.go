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
	limit, err := replication.SlotLimit(ctx, conn)
	if err != nil {
		return err
	}
	return printSlots(term.out, slots, c.Slot, limit)
}

// printSlots says also what becomes of slots, and how to be rid of ours.
func printSlots(out io.Writer, slots []replication.Slot, ours, limit string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLOT\tDATABASE\tPLUGIN\tWAL STATUS\tRETAINED BYTES\tRETAINED SECONDS\tCONFIRMED\tREAD BY")
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", name, s.Database, s.Plugin, s.WALStatus, s.RetainedBytes, retainedSeconds(s), s.Confirmed, reader)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if limit == "-1" {
		fmt.Fprintln(out, "max_slot_wal_keep_size is not set: a slot that nobody reads fills the disk of Postgres.")
	} else {
		fmt.Fprintf(out, "Postgres gives up a slot that keeps more than max_slot_wal_keep_size = %s.\n", limit)
	}
	if !found {
		_, err := fmt.Fprintf(out, "There is no slot %q: serve creates it.\n", ours)
		return err
	}
	_, err := fmt.Fprintf(out, "* is the slot of these settings. If walcast will not read it any more: walcast slot drop, or SELECT pg_drop_replication_slot('%s').\n", ours)
	return err
}

// retainedSeconds is at least how old the oldest WAL is that a slot keeps.
func retainedSeconds(s replication.Slot) string {
	if s.RetainedFor < 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.0f", s.RetainedFor.Seconds())
}

// Run drops the slot if nobody reads it.
func (c *slotDropCmd) Run(ctx context.Context, term terminal) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := replication.DropSlot(ctx, conn, c.Slot); err != nil {
		return replication.Explain(err, &conn.Config().Config)
	}
	_, err = fmt.Fprintf(term.out, "slot %q dropped\n", c.Slot)
	return err
}
