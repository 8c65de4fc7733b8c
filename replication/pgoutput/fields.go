package pgoutput

import "strings"

// fields reads the fields of one pgoutput message from the front. A field that
// does not fit sets short; everything after it reads as zero.
type fields struct {
	data    string
	at      int // an index, as moving a string forward costs a write barrier
	short   bool
	convert func(string) string // of the stream's text to UTF-8; nil where it is
}

// left is the number of bytes that have not been read.
func (f *fields) left() int { return len(f.data) - f.at }

// rest is what has not been read.
func (f *fields) rest() string { return f.data[f.at:] }

func (f *fields) take(n int) string {
	if n < 0 || n > f.left() {
		f.at, f.short = len(f.data), true
		return ""
	}
	f.at += n
	return f.data[f.at-n : f.at]
}

func (f *fields) byte() byte {
	if b := f.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (f *fields) uint16() uint16 {
	if b := f.take(2); len(b) == 2 {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

func (f *fields) uint32() uint32 {
	if b := f.take(4); len(b) == 4 {
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	return 0
}

func (f *fields) uint64() uint64 {
	high := f.uint32()
	return uint64(high)<<32 | uint64(f.uint32())
}

// text reads a string that ends with a zero byte.
func (f *fields) text() string { return f.utf8(f.terminated()) }

// utf8 is text of the stream as UTF-8.
func (f *fields) utf8(text string) string {
	if f.convert == nil {
		return text
	}
	return f.convert(text)
}

func (f *fields) terminated() string {
	end := strings.IndexByte(f.rest(), 0)
	if end < 0 {
		f.at, f.short = len(f.data), true
		return ""
	}
	t := f.data[f.at : f.at+end]
	f.at += end + 1
	return t
}
