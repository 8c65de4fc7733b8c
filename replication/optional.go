package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"walcast/replication/wal"
)

// optional are the publications that are read if they exist.
//
// One that appears later cannot simply be added: up to Postgres 17 the stream
// fails at the first change that is older than a publication it was asked
// for, and the slot has to be held back behind such changes by the window. So
// it is tried, and if that fails, left out until the slot has passed the place
// where it is known to have existed.
type optional struct {
	names  []string
	unripe map[string]wal.LSN // left out while the slot stands before it; 0 is not known yet
}

// readable returns those that can be read through the slot now.
func (o *optional) readable(ctx context.Context, db querier, slot string) ([]string, error) {
	if len(o.names) == 0 {
		return nil, nil
	}
	found, err := queryStrings(ctx, db, `select pubname::text from pg_publication where pubname = any ($1) order by 1`, o.names)
	if err != nil {
		return nil, fmt.Errorf("look for optional publications: %w", err)
	}
	if len(o.unripe) == 0 {
		return found, nil
	}
	at, end, err := slotAndEnd(ctx, db, slot)
	if err != nil {
		return nil, err
	}
	for name, place := range o.unripe {
		switch {
		case place == 0:
			o.unripe[name] = end
		case at >= place:
			delete(o.unripe, name)
		}
	}
	return slices.DeleteFunc(found, func(name string) bool { return o.unripe[name] != 0 }), nil
}

// slotAndEnd returns where the slot stands and where the server's WAL ends. A
// slot that is yet to be made will stand there.
func slotAndEnd(ctx context.Context, db querier, slot string) (at, end wal.LSN, err error) {
	texts, err := queryStrings(ctx, db, `select unnest(array[coalesce(s.confirmed_flush_lsn, w.end_lsn), w.end_lsn])::text
		from (select `+walEnd+` as end_lsn) w left join pg_replication_slots s on s.slot_name = $1`, slot)
	if err != nil || len(texts) != 2 {
		return 0, 0, fmt.Errorf("look for the position of slot %q: %w", slot, err)
	}
	if at, err = wal.ParseLSN(texts[0]); err != nil {
		return 0, 0, err
	}
	end, err = wal.ParseLSN(texts[1])
	return at, end, err
}

// blame finds out whether a message that a publication is missing names one of
// them, and leaves it out from now on.
func (o *optional) blame(message string) bool {
	name, ok := o.named(message)
	if ok {
		if o.unripe == nil {
			o.unripe = make(map[string]wal.LSN)
		}
		o.unripe[name] = 0
	}
	return ok
}

// named returns the one that a message names, whatever quotes its language has.
func (o *optional) named(message string) (string, bool) {
	words := strings.FieldsFunc(message, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, name := range o.names {
		if slices.Contains(words, name) {
			return name, true
		}
	}
	return "", false
}
