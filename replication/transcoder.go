package replication

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/conninfo"
	"walcast/replication/catalog"
	"walcast/replication/pgoutput"
)

// isUntranslatable reports whether Postgres has no UTF-8 for some text:
// untranslatable_character, character_not_in_repertoire.
func isUntranslatable(e *pgconn.PgError) bool { return e.Code == "22P05" || e.Code == "22021" }

// transcoder makes UTF-8 of text that comes in the encoding of the database. Postgres
// does so by itself, and refuses the whole stream for one character that has no
// UTF-8: from then on text comes as it is stored. So does the content of logical
// messages always. What each character is, Postgres is asked once. It belongs to the
// goroutine that reads.
type transcoder struct {
	describer *describer
	stored    string            // the encoding of the database
	asStored  bool              // text comes in it
	known     map[string]string // characters by what is stored; bounded by the encoding's repertoire
}

// noCharacter stands for bytes that have no UTF-8. It is none itself, so that
// whoever writes the value sees that.
const noCharacter = "\xff"

// newTranscoder is for a connection that has not begun to stream.
func newTranscoder(d *describer, conn *pgconn.PgConn) *transcoder {
	stored := conn.ParameterStatus("server_encoding")
	return &transcoder{
		describer: d, stored: stored, known: map[string]string{},
		asStored: conn.ParameterStatus("client_encoding") != conninfo.Encoding(conn),
	}
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
// it is anything, and the stream ends.
func (t *transcoder) text(ctx context.Context, stored string) string {
	first := strings.IndexFunc(stored, func(r rune) bool { return r >= utf8.RuneSelf })
	if first < 0 {
		return stored
	}
	var b strings.Builder
	b.WriteString(stored[:first])
	for rest := stored[first:]; rest != ""; {
		n := min(characterLength(t.stored, rest), len(rest))
		b.WriteString(t.character(ctx, rest[:n]))
		rest = rest[n:]
	}
	return b.String()
}

func (t *transcoder) character(ctx context.Context, stored string) string {
	if len(stored) == 1 && stored[0] < utf8.RuneSelf {
		return stored
	}
	if c, ok := t.known[stored]; ok || t.describer.failed != nil {
		return c
	}
	c, err := t.ask(ctx, stored)
	if err != nil {
		t.describer.failed = err
		return ""
	}
	t.known[stored] = c
	return c
}

func (t *transcoder) ask(ctx context.Context, stored string) (character string, err error) {
	err = t.describer.ask(ctx, func(ctx context.Context, c catalog.Catalog) (err error) {
		character, err = c.Character(ctx, stored, t.stored)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && isUntranslatable(pg) {
			character, err = noCharacter, nil
		}
		return err
	})
	return character, err
}

// characterLength is how many bytes the first character of text has, at most, by the
// rules of Postgres' pg_wchar.h. What is not listed has one byte for each.
func characterLength(encoding, text string) int {
	first := text[0]
	if first < utf8.RuneSelf {
		return 1
	}
	const shift2, shift3 = 0x8e, 0x8f
	switch {
	case encoding == "MULE_INTERNAL":
		return muleLength(first)
	case encoding == "EUC_TW" && first == shift2:
		return 4
	case strings.HasPrefix(encoding, "EUC_") && first == shift3 && encoding != "EUC_KR" && encoding != "EUC_CN":
		return 3
	case strings.HasPrefix(encoding, "EUC_"):
		return 2
	}
	return 1
}

// muleLength is the same for the encoding of Emacs.
func muleLength(first byte) int {
	switch {
	case first >= 0x81 && first <= 0x8d:
		return 2
	case first >= 0x90 && first <= 0x9b:
		return 3
	case first == 0x9c || first == 0x9d:
		return 4
	}
	return 1
}
