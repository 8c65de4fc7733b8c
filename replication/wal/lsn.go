package wal

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a log sequence number: an offset into the write-ahead log, in bytes from
// its beginning. It is printed as two hexadecimal numbers of 32 bits each,
// "16/B374D848", like Postgres' type pg_lsn (Postgres manual, "pg_lsn Type"). Zero
// is never the LSN of a record.
type LSN uint64

// ParseLSN reads what String writes and Postgres prints, for example
// "16/B374D848".
func ParseLSN(s string) (LSN, error) {
	high, low, _ := strings.Cut(s, "/")
	h, err1 := strconv.ParseUint(high, 16, 32)
	l, err2 := strconv.ParseUint(low, 16, 32)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("parse LSN %q: want two hexadecimal numbers such as 16/B374D848", s)
	}
	return LSN(h<<32 | l), nil
}

// String writes the LSN as Postgres does, "16/B374D848".
func (l LSN) String() string {
	return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l))
}
