package policy

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"walcast/replication/wal"
)

// TestAViewThatALookExpiresAtOnceIsTheOneThatWasRead has looks expire a view all the
// time while it is read.
func TestAViewThatALookExpiresAtOnceIsTheOneThatWasRead(t *testing.T) {
	p := New(DefaultConfig(), nil, slog.New(slog.DiscardHandler), nil)
	rel := &wal.Relation{OID: 1, Columns: []wal.Column{{Name: "id", Key: true}}}
	read := func(context.Context, *wal.Relation, string) (*facts, error) {
		return &facts{
			role:     roleFacts{Name: "anon", Known: true, Settable: true},
			relation: relationFacts{Known: true, RowSecurity: true, SchemaUsage: true, Selectable: []bool{true}},
		}, nil
	}
	a := p.tables.of(rel, "anon")
	done := make(chan struct{})
	var looks sync.WaitGroup
	looks.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				a.expire()
			}
		}
	})
	defer looks.Wait()
	defer close(done)
	for began := time.Now(); time.Since(began) < time.Second; {
		v, unfit, err := a.load(t.Context(), p.tables, rel, "anon", 0, read)
		if err != nil || unfit != nil || len(v.Columns) != 1 || !v.RowSecurity {
			t.Fatalf("load = %+v, %v, %v; want what was read", v, unfit, err)
		}
	}
}
