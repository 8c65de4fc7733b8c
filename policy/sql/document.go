package sql

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrUncertain means that only Postgres can evaluate an expression: it may
// raise, or depend on something that is not known here.
var ErrUncertain = errors.New("only Postgres can tell")

// document is a JSON value that reads the same as json, as jsonb and here.
// Documents that might not are ErrUncertain.
type document struct {
	kind   jsontext.Kind // n f t " 0 { [
	text   string        // of strings and numbers, and of booleans
	fields map[string]*document
}

// maxClaims is how deep claims may be nested to be looked at here.
const maxClaims = 64

// parseDocument reads JSON: no name twice, valid UTF-8, no NUL (which jsonb
// cannot hold), and numbers that jsonb prints as they are written.
func parseDocument(s string) (*document, error) {
	d := jsontext.NewDecoder(bytes.NewReader([]byte(s)))
	doc, err := readDocument(d, 0)
	if err != nil {
		return nil, ErrUncertain
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, ErrUncertain
	}
	return doc, nil
}

func readDocument(d *jsontext.Decoder, depth int) (*document, error) {
	if depth > maxClaims {
		return nil, ErrUncertain
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	doc := &document{kind: t.Kind()}
	switch doc.kind {
	case '"':
		doc.text = t.String()
		if strings.ContainsRune(doc.text, 0) {
			return nil, ErrUncertain
		}
	case '0':
		doc.text = t.String()
		if !plainNumber(doc.text) {
			return nil, ErrUncertain
		}
	case 't':
		doc.text = "true"
	case 'f':
		doc.text = "false"
	case '{':
		err = doc.readFields(d, depth)
	case '[':
		err = skipItems(d, depth)
	}
	return doc, err
}

func (doc *document) readFields(d *jsontext.Decoder, depth int) error {
	doc.fields = map[string]*document{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		key := name.String()
		if strings.ContainsRune(key, 0) {
			return ErrUncertain
		}
		if doc.fields[key], err = readDocument(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// skipItems reads an array only to see that nothing in it is uncertain.
func skipItems(d *jsontext.Decoder, depth int) error {
	for d.PeekKind() != ']' {
		if _, err := readDocument(d, depth+1); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// plainNumber reports whether jsonb prints the number as it is written: no
// exponent, no minus zero, not too long.
func plainNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if strings.ContainsAny(digits, "eE") || len(digits) > 40 {
		return false
	}
	return digits == s || strings.Trim(digits, "0.") != ""
}

// field is the -> operator: nil is SQL's NULL.
func (doc *document) field(name string) *document {
	if doc == nil || doc.kind != '{' {
		return nil
	}
	return doc.fields[name]
}

// scalar is the ->> operator on what was found; ok is false for NULL.
func (doc *document) scalar() (text string, ok bool, err error) {
	if doc == nil {
		return "", false, nil
	}
	switch doc.kind {
	case 'n':
		return "", false, nil
	case '{', '[': // printed in jsonb's own way
		return "", false, ErrUncertain
	}
	return doc.text, true, nil
}
