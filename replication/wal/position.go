package wal

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position names one change for ever: the LSN of its transaction's commit
// record and its index in that transaction, counted from 0 before any filter.
// Rows, tables of a TRUNCATE and transactional logical messages all count,
// whether a consumer wants them or not; a Commit has the index after the last
// that the log has. Positions are totally ordered, which is
// commit order, and the same after every restart, as long as the publications
// are: a wider publication shifts the indexes inside of transactions that are
// read again. The zero Position stands before everything.
type Position struct {
	// LSN is where the commit record starts: the final LSN of pgoutput's Begin
	// message (Postgres manual, "Logical Replication Message Formats").
	LSN LSN
	// Seq is the index of the change in its transaction.
	Seq uint32
}

// ParsePosition reads what String writes, for example "16/B374D848:3".
func ParsePosition(s string) (Position, error) {
	text, index, ok := strings.Cut(s, ":")
	lsn, err1 := ParseLSN(text)
	seq, err2 := strconv.ParseUint(index, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return Position{}, fmt.Errorf("parse position %q: want LSN:index such as 16/B374D848:3", s)
	}
	return Position{LSN: lsn, Seq: uint32(seq)}, nil
}

// String writes the position as clients see it, "16/B374D848:3".
func (p Position) String() string {
	return p.LSN.String() + ":" + strconv.FormatUint(uint64(p.Seq), 10)
}

// Text is String for a message to a client, "" for the zero Position, which is none
// that a client could go on from.
func (p Position) Text() string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}

// Compare is negative when p is before o, 0 when they are equal.
func (p Position) Compare(o Position) int {
	if c := cmp.Compare(p.LSN, o.LSN); c != 0 {
		return c
	}
	return cmp.Compare(p.Seq, o.Seq)
}

// IsZero reports whether the position is unset, that is before everything.
func (p Position) IsZero() bool { return p == Position{} }

// Before returns the last position before everything that commits at lsn or
// later. Records are aligned, so no commit record starts at lsn-1; it stands
// for "complete up to lsn" where no change is at hand, as after a keepalive.
func Before(lsn LSN) Position {
	if lsn == 0 {
		return Position{}
	}
	return Position{LSN: lsn - 1}
}
