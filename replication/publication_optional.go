package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"walcast/replication/wal"
)

// optionalPublications are read if they exist.
//
// One that appears later cannot simply be added: up to Postgres 17 the stream
// fails at the first change that is older than a publication it was asked
// for, and the slot has to be held back behind such changes by the window. So
// it is tried, and if that fails, left out until the slot has passed an LSN at
// which it is known to have existed.
//
// readable and exclude belong to one goroutine at a time: that of Run before and
// after a stream, that of the publicationWatch during it. named may be called at
// once.
type optionalPublications struct {
	names []string
	// excluded are those that the stream failed at, with the LSN that the slot
	// has to pass before they are read again; 0 while it is not known.
	excluded map[string]wal.LSN
}

// readable returns those that can be read through the slot now.
func (o *optionalPublications) readable(ctx context.Context, db querier, slot string) ([]string, error) {
	if len(o.names) == 0 {
		return nil, nil
	}
	found, err := queryStrings(ctx, db, `select pubname::text from pg_publication where pubname = any ($1) order by 1`, o.names)
	if err != nil {
		return nil, fmt.Errorf("look for optional publications: %w", err)
	}
	if len(o.excluded) == 0 {
		return found, nil
	}
	confirmed, end, err := slotAndEnd(ctx, db, slot)
	if err != nil {
		return nil, err
	}
	for name, until := range o.excluded {
		switch {
		case until == 0:
			o.excluded[name] = end
		case confirmed >= until:
			delete(o.excluded, name)
		}
	}
	return slices.DeleteFunc(found, func(name string) bool { return o.excluded[name] != 0 }), nil
}

// slotAndEnd returns the slot's confirmed LSN and where the server's WAL ends. A
// slot that is yet to be made will begin there.
func slotAndEnd(ctx context.Context, db querier, slot string) (confirmed, end wal.LSN, err error) {
	texts, err := queryStrings(ctx, db, `select unnest(array[coalesce(s.confirmed_flush_lsn, w.end_lsn), w.end_lsn])::text
		from (select `+walEnd+` as end_lsn) w left join pg_replication_slots s on s.slot_name = $1`, slot)
	if err != nil || len(texts) != 2 {
		return 0, 0, fmt.Errorf("look for the position of slot %q: %w", slot, err)
	}
	if confirmed, err = wal.ParseLSN(texts[0]); err != nil {
		return 0, 0, err
	}
	end, err = wal.ParseLSN(texts[1])
	return confirmed, end, err
}

// exclude leaves out, from now on, the one that an error of the server names as
// missing. It reports whether there is one.
func (o *optionalPublications) exclude(message string) bool {
	name, ok := o.named(message)
	if ok {
		if o.excluded == nil {
			o.excluded = make(map[string]wal.LSN)
		}
		o.excluded[name] = 0
	}
	return ok
}

// named returns the one that a message of the server names, whatever quotes the
// message's language has.
func (o *optionalPublications) named(message string) (string, bool) {
	words := strings.FieldsFunc(message, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, name := range o.names {
		if slices.Contains(words, name) {
			return name, true
		}
	}
	return "", false
}
