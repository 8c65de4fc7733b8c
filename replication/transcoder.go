package replication

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/conninfo"
	"walcast/replication/catalog"
	"walcast/replication/pgoutput"
)

// transcoder makes UTF-8 of text that comes in the encoding of the database: all text
// once Postgres has refused the whole stream for one character that has no UTF-8, the
// content of logical messages always. It belongs to the goroutine that reads.
type transcoder struct {
	describer  *describer
	stored     string // the encoding of the database
	asStored   bool   // text comes in it
	characters *catalog.Characters
}

// newTranscoder is for a connection that has not begun to stream.
func newTranscoder(d *describer, conn *pgconn.PgConn) *transcoder {
	return transcoderOf(d, conn.ParameterStatus("server_encoding"), conn.ParameterStatus("client_encoding") != conninfo.Encoding(conn))
}

// transcoderOf is for text of a database whose encoding is known.
func transcoderOf(d *describer, stored string, asStored bool) *transcoder {
	t := &transcoder{describer: d, stored: stored, asStored: asStored}
	t.characters = catalog.NewCharacters(t.stored, t.ask)
	return t
}

// encoding is what the decoder needs to know.
func (t *transcoder) encoding(ctx context.Context) (e pgoutput.Encoding) {
	if t.stored == "UTF8" || t.stored == conninfo.NoEncoding {
		return e
	}
	e.Content = func(text string) string { return t.text(ctx, text) }
	if t.asStored {
		e.Text = e.Content
	}
	return e
}

// text is UTF-8 for text of the database's encoding. Once Postgres could not be asked
// it is nothing, and the stream ends.
func (t *transcoder) text(ctx context.Context, stored string) string {
	if t.describer.failed != nil {
		return ""
	}
	text, err := t.characters.Text(ctx, stored)
	if err != nil {
		t.describer.failed = err
	}
	return text
}

func (t *transcoder) ask(ctx context.Context, stored string) (character string, err error) {
	err = t.describer.ask(ctx, func(ctx context.Context, c catalog.Catalog) (err error) {
		character, err = c.Character(ctx, stored, t.stored)
		return err
	})
	return character, err
}
