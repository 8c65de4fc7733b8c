package pgoutput

import "strings"

// scan reads the fields of one pgoutput message from the front. A field that
// does not fit sets short; everything after it reads as zero.
type scan struct {
	data  string
	at    int // an index, as moving a string forward costs a write barrier
	short bool
}

// left is the number of bytes that have not been read.
func (s *scan) left() int { return len(s.data) - s.at }

// rest is what has not been read.
func (s *scan) rest() string { return s.data[s.at:] }

func (s *scan) take(n int) string {
	if n < 0 || n > s.left() {
		s.at, s.short = len(s.data), true
		return ""
	}
	s.at += n
	return s.data[s.at-n : s.at]
}

func (s *scan) byte() byte {
	if b := s.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (s *scan) uint16() uint16 {
	if b := s.take(2); len(b) == 2 {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

func (s *scan) uint32() uint32 {
	if b := s.take(4); len(b) == 4 {
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	return 0
}

func (s *scan) uint64() uint64 {
	high := s.uint32()
	return uint64(high)<<32 | uint64(s.uint32())
}

// text reads a string that ends with a zero byte.
func (s *scan) text() string {
	end := strings.IndexByte(s.rest(), 0)
	if end < 0 {
		s.at, s.short = len(s.data), true
		return ""
	}
	t := s.data[s.at : s.at+end]
	s.at += end + 1
	return t
}
