package protocol

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// lastNameWins accepts objects that repeat a name, as upstream does.
var lastNameWins = jsontext.AllowDuplicateNames(true)

// reader reads the values of a JSON text one after the other. What it returns
// is part of the text.
type reader struct {
	text    []byte
	buffer  bytes.Buffer // what the decoder reads; it holds the text itself
	decoder jsontext.Decoder
}

// readers are those not in use. They hold no text.
var readers = sync.Pool{New: func() any {
	r := &reader{}
	r.decoder.Reset(&r.buffer, lastNameWins)
	return r
}}

// newReader returns a reader at the start of the text. Its user closes it.
func newReader(text []byte) *reader {
	r := readers.Get().(*reader) // the pool makes nothing else
	r.text = text
	r.buffer = *bytes.NewBuffer(text)
	return r
}

func (r *reader) close() {
	r.text, r.buffer = nil, bytes.Buffer{}
	r.decoder.Reset(&r.buffer, lastNameWins)
	readers.Put(r)
}

// kind is the kind of the next value, or '}' or ']' at the end of an object or
// array; 0 where neither follows.
func (r *reader) kind() byte { return byte(r.decoder.PeekKind()) }

// enter passes the bracket that opens an object or array, and leave the one that
// closes it. They report false if there is none.
func (r *reader) enter() bool {
	if k := r.kind(); k != '{' && k != '[' {
		return false
	}
	_, err := r.decoder.ReadToken()
	return err == nil
}

func (r *reader) leave() bool {
	if k := r.kind(); k != '}' && k != ']' {
		return false
	}
	_, err := r.decoder.ReadToken()
	return err == nil
}

// next reads a value, or the name of a pair; nil at the end of an object or
// array, and where there is no JSON.
func (r *reader) next() value {
	if k := r.kind(); k == 0 || k == '}' || k == ']' {
		return nil
	}
	raw, err := r.decoder.ReadValue()
	if err != nil {
		return nil
	}
	end := int(r.decoder.InputOffset())
	return value(r.text[end-len(raw) : end])
}

// finish reads what is left of the object or array at the top, and reports
// whether it is JSON and nothing follows it.
func (r *reader) finish() bool {
	for r.next() != nil {
	}
	if !r.leave() {
		return false
	}
	_, err := r.decoder.ReadToken()
	return errors.Is(err, io.EOF)
}
