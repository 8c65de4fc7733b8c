package channels

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// SessionID names a session for operators: it is in the log, and can be used to
// end the session. It is no secret, and grants nothing.
type SessionID uint64

// NewSessionID returns a random id.
func NewSessionID() SessionID { return SessionID(rand.Uint64()) }

// String is the id as the log has it: 16 hexadecimal digits.
func (id SessionID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// ParseSessionID reads what String returns.
func ParseSessionID(text string) (SessionID, error) {
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 16 {
		return 0, errors.New("want 16 hexadecimal digits, as the log has them")
	}
	return SessionID(id), nil
}
