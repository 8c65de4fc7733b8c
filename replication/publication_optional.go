package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// optionalPublications are read if they exist.
//
// Up to Postgres 17 a stream fails at the first change that is older than a
// publication it was asked for, and the slot is held back behind such changes by
// the window. So what the stream has failed at is left out until it comes to a
// mark in the WAL (publication_mark.go), from where it goes on with it. After a
// restart the same changes are read with the same publications.
//
// readable, exclude and include belong to one goroutine at a time: that of Run
// before and after a stream, that of the publicationWatch during it. named may be
// called at once.
type optionalPublications struct {
	names    []string
	excluded []string // those that the stream failed at
}

// readable returns those that can be read now.
func (o *optionalPublications) readable(ctx context.Context, db querier) ([]string, error) {
	found, err := o.existing(ctx, db)
	return slices.DeleteFunc(found, func(name string) bool { return slices.Contains(o.excluded, name) }), err
}

// existing returns those that there are.
func (o *optionalPublications) existing(ctx context.Context, db querier) ([]string, error) {
	if len(o.names) == 0 {
		return nil, nil
	}
	found, err := queryStrings(ctx, db, `select pubname::text from pg_publication where pubname = any ($1) order by 1`, o.names)
	if err != nil {
		return nil, fmt.Errorf("look for optional publications: %w", err)
	}
	return found, nil
}

// exclude leaves out, from now on, the one that an error of the server names as
// missing. It reports whether there is one.
func (o *optionalPublications) exclude(message string) bool {
	name, ok := o.named(message)
	if ok && !slices.Contains(o.excluded, name) {
		o.excluded = append(o.excluded, name)
	}
	return ok
}

// include tries all of them again, as the stream has come to a mark.
func (o *optionalPublications) include() { o.excluded = nil }

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
