package policy

import (
	"errors"
	"fmt"
	"time"
)

// Config says how long answers of the database are believed and waited for, and where
// they are kept.
type Config struct {
	// AccessAge is how long it is believed what the catalog says of access (grants,
	// policies, functions, types, roles and their membership), as Relation messages
	// announce only some of its changes. Default 1 s. A smaller value reads the
	// catalog more often, a larger value shows rows for longer after access to them
	// was revoked.
	AccessAge time.Duration
	// Timeout is how long Postgres may take to judge the rows of one statement. Default 5 s. A
	// policy that takes longer for one row hides the row, as if it had raised.
	Timeout time.Duration
	// StateFile is where it is kept over restarts since when what is known of access
	// holds; "" keeps it nowhere, so that more clients that resume over a restart have
	// to resync. The server derives it from state-dir.
	StateFile string
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{AccessAge: time.Second, Timeout: 5 * time.Second}
}

// Validate names every bad field at once.
func (c Config) Validate() (err error) {
	if c.AccessAge < time.Millisecond {
		err = errors.Join(err, fmt.Errorf("access-age: want at least 1ms, got %s", c.AccessAge))
	}
	if c.Timeout < time.Millisecond {
		err = errors.Join(err, fmt.Errorf("policy-timeout: want at least 1ms, got %s", c.Timeout))
	}
	return err
}
