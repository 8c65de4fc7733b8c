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
	// maxJSONScratch is up to how many bytes of memory a reader in the pool may hold.
	maxJSONScratch = 64 << 10
)

// jsonReader reads the values of a JSON text. The texts that it returns share their
// memory with that text.
type jsonReader struct {
	text    string
	scratch []byte       // a copy of the text, as the decoder reads no strings
	buffer  bytes.Buffer // reads scratch
	decoder jsontext.Decoder
	count   int // values read by document
}

var jsonReaders = sync.Pool{New: func() any { return &jsonReader{} }}

// Names may repeat: in jsonb the last one wins, and json keeps them all. json also
// keeps escapes of half a surrogate pair, which jsonb refuses.
var (
	jsonbOptions = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	jsonOptions  = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
)

// newJSONReader returns a reader at the start of a text. The caller must close it.
func newJSONReader(text string, options []jsontext.Options) *jsonReader {
	r := jsonReaders.Get().(*jsonReader) // the pool makes nothing else
	r.count, r.text, r.scratch = 0, text, append(r.scratch[:0], text...)
	r.buffer = *bytes.NewBuffer(r.scratch)
	r.decoder.Reset(&r.buffer, options...)
	return r
}

// close returns the reader to the pool.
func (r *jsonReader) close() {
	if cap(r.scratch) <= maxJSONScratch {
		r.text = ""
		jsonReaders.Put(r)
	}
}

// kind returns the kind of the next value, '}' or ']' at the end of an object or
// array, or 0 if none of these is next.
func (r *jsonReader) kind() byte { return byte(r.decoder.PeekKind()) }

// bracket reads the bracket that is next. An error needs no handling here, as no
// value can be read after it.
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

// finished reports whether the text is read to its end.
func (r *jsonReader) finished() bool {
	_, err := r.decoder.ReadToken()
	return errors.Is(err, io.EOF)
}

// unquoteJSON undoes the escapes of a string. It returns false for a string that
// jsonb may refuse: with \u0000, half a surrogate pair or invalid UTF-8.
func unquoteJSON(quoted string) (string, bool) {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], utf8.ValidString(quoted)
	}
	content, err := jsontext.AppendUnquote(make([]byte, 0, 64), quoted)
	return string(content), err == nil && bytes.IndexByte(content, 0) < 0
}

// document reads a value as jsonb holds it. It is not ok unless the text is
// certainly JSON that jsonb accepts.
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

// closed reads the bracket that ends an object or array. It reports false if another
// token is next.
func (r *jsonReader) closed(bracket byte) bool {
	if r.kind() != bracket {
		return false
	}
	_, err := r.decoder.ReadToken()
	return err == nil
}
