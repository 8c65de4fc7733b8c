package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// NoCharacter stands for bytes that have no UTF-8. It is none itself, so that
// whoever writes the value sees that.
const NoCharacter = "\xff"

// IsUntranslatable reports whether Postgres has refused to send text because it has no
// UTF-8 for some of it: untranslatable_character, character_not_in_repertoire.
func IsUntranslatable(e *pgconn.PgError) bool { return e.Code == "22P05" || e.Code == "22021" }

// Character is the UTF-8 of one character as a database of that encoding stores it, or
// NoCharacter. In a transaction that has then failed.
func (c Catalog) Character(ctx context.Context, stored, encoding string) (string, error) {
	rows, err := c.db.Query(ctx, `select convert($1, $2, 'UTF8')`, []byte(stored), encoding)
	if err == nil {
		var character []byte
		if character, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[[]byte]); err == nil {
			return string(character), nil
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && IsUntranslatable(pg) {
		return NoCharacter, nil
	}
	return "", fmt.Errorf("convert a character of encoding %s: %w", encoding, err)
}

// Characters makes UTF-8 of text that comes as a database of another encoding stores it.
// Postgres does so by itself, and refuses all for one character that has no UTF-8. What
// each character is, it is asked once. Only one goroutine may use it at a time.
type Characters struct {
	encoding string
	ask      func(ctx context.Context, stored string) (string, error)
	known    map[string]string // by what is stored; bounded by the encoding's repertoire
}

// NewCharacters is for text of an encoding. What is not known yet it asks for as
// Catalog.Character does.
func NewCharacters(encoding string, ask func(ctx context.Context, stored string) (string, error)) *Characters {
	return &Characters{encoding: encoding, ask: ask, known: map[string]string{}}
}

// Text is the UTF-8 of stored text, with NoCharacter for what has none. The error is
// that of asking.
func (c *Characters) Text(ctx context.Context, stored string) (string, error) {
	first := strings.IndexFunc(stored, func(r rune) bool { return r >= utf8.RuneSelf })
	if first < 0 {
		return stored, nil
	}
	var b strings.Builder
	b.WriteString(stored[:first])
	for rest := stored[first:]; rest != ""; {
		n := min(characterLength(c.encoding, rest), len(rest))
		character, err := c.character(ctx, rest[:n])
		if err != nil {
			return "", err
		}
		b.WriteString(character)
		rest = rest[n:]
	}
	return b.String(), nil
}

func (c *Characters) character(ctx context.Context, stored string) (string, error) {
	if len(stored) == 1 && stored[0] < utf8.RuneSelf {
		return stored, nil
	}
	if known, ok := c.known[stored]; ok {
		return known, nil
	}
	character, err := c.ask(ctx, stored)
	if err == nil {
		c.known[stored] = character
	}
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
