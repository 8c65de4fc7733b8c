package datum

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxJSONDepth bounds recursion over a client's literal.
	maxJSONDepth = 1000
	// maxJSONScratch is the longest text whose copy is kept for the next one.
	maxJSONScratch = 64 << 10
)

// jsonReader reads the values of a JSON text. What it returns is part of the
// text.
type jsonReader struct {
	text    string
	scratch []byte       // the text, as the decoder does not read strings
	buffer  bytes.Buffer // of scratch
	decoder jsontext.Decoder
	count   int // values read by document
}

var jsonReaders = sync.Pool{New: func() any { return &jsonReader{} }}

// Names may repeat: the last one wins in jsonb, and json keeps them all. It
// also keeps escapes of half a surrogate pair, which jsonb refuses.
var (
	jsonbOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	jsonOptions  = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
)

// newJSONReader returns a reader at the start of a text. Its user closes it.
func newJSONReader(text string, options []jsontext.Options) *jsonReader {
	r := jsonReaders.Get().(*jsonReader) // the pool makes nothing else
	r.count, r.text, r.scratch = 0, text, append(r.scratch[:0], text...)
	r.buffer = *bytes.NewBuffer(r.scratch)
	r.decoder.Reset(&r.buffer, options...)
	return r
}

func (r *jsonReader) close() {
	if cap(r.scratch) <= maxJSONScratch {
		r.text = ""
		jsonReaders.Put(r)
	}
}

// kind is the kind of the next value, or '}' or ']' at the end of an object or
// array; 0 where neither follows.
func (r *jsonReader) kind() byte { return byte(r.decoder.PeekKind()) }

// bracket passes the bracket that is next. Should it not be there after all, no
// value is found behind it.
func (r *jsonReader) bracket() { _, _ = r.decoder.ReadToken() }

// raw reads a value, or the name of a field, as it is spelled.
func (r *jsonReader) raw() (string, bool) {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return "", false
	}
	end := int(r.decoder.InputOffset())
	return r.text[end-len(value) : end], true
}

// finished reports whether nothing follows the value that was read.
func (r *jsonReader) finished() bool {
	_, err := r.decoder.ReadToken()
	return errors.Is(err, io.EOF)
}

// unquoteJSON undoes the escapes of a string; false for those that jsonb may
// refuse: \u0000, half a surrogate pair, what is not UTF-8.
func unquoteJSON(quoted string) (string, bool) {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], utf8.ValidString(quoted)
	}
	content, err := jsontext.AppendUnquote(make([]byte, 0, 64), quoted)
	return string(content), err == nil && bytes.IndexByte(content, 0) < 0
}

// document reads a value as jsonb holds it; false for what is not certainly
// JSON, or not certainly jsonb.
func (r *jsonReader) document() (doc JSON, ok bool) {
	if r.decoder.StackDepth() > maxJSONDepth {
		return JSON{}, false
	}
	r.count++
	doc.kind = r.kind()
	switch doc.kind {
	case '{':
		doc.fields, ok = r.fields()
		return doc, ok
	case '[':
		doc.items, ok = r.items()
		return doc, ok
	}
	text, ok := r.raw()
	if !ok {
		return JSON{}, false
	}
	switch doc.kind {
	case '"':
		doc.text, ok = unquoteJSON(text)
	case '0':
		mantissa, exponent, _ := splitNumber(text)
		doc.kind = '#'
		doc.text, ok = scientific(mantissa, exponent)
	}
	return doc, ok
}

func (r *jsonReader) fields() (fields []field, ok bool) {
	for r.bracket(); r.kind() == '"'; {
		quoted, valid := r.raw()
		if !valid {
			return nil, false
		}
		name, valid := unquoteJSON(quoted)
		if !valid {
			return nil, false
		}
		value, valid := r.document()
		if !valid {
			return nil, false
		}
		fields = append(fields, field{name, value})
	}
	return inOrder(fields), r.closed('}')
}

func (r *jsonReader) items() (items []JSON, ok bool) {
	for r.bracket(); r.kind() != ']'; {
		item, valid := r.document()
		if !valid {
			return nil, false
		}
		items = append(items, item)
	}
	return items, r.closed(']')
}

// closed passes the bracket that ends an object or array, if it is next.
func (r *jsonReader) closed(bracket byte) bool {
	if r.kind() != bracket {
		return false
	}
	_, err := r.decoder.ReadToken()
	return err == nil
}
