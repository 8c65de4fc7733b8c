package policy

import (
	"errors"
	"fmt"
	"time"
)

// Config is how long answers of the database are believed and waited for.
type Config struct {
	// AccessAge is how long what the catalog says of who may see what is believed
	// (grants, policies, functions, types, roles and their membership): Relation
	// messages tell of a part of it only. Default 1 s. Smaller looks at the catalog
	// more often, larger shows rows for longer after access to them is gone.
	AccessAge time.Duration
	// Timeout is how long Postgres may take to judge one batch. Default 5 s. A
	// policy that takes longer for one row hides the row, as if it had raised.
	Timeout time.Duration
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
