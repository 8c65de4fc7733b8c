package policy

import (
	"errors"
	"fmt"
	"time"
)

// Config is how long answers of the database are believed and waited for.
type Config struct {
	// RoleAge is how long what hangs on roles (attributes, membership, and with
	// them grants and the policies that apply) is believed. Relation messages
	// do not tell of it. Default 30 s: smaller asks the catalog more often.
	RoleAge time.Duration
	// Timeout is how long Postgres may take to judge one batch. Default 5 s. A
	// policy that takes longer for one row hides the row, as if it had raised.
	Timeout time.Duration
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{RoleAge: 30 * time.Second, Timeout: 5 * time.Second}
}

// Validate names every bad field at once.
func (c Config) Validate() (err error) {
	if c.RoleAge <= 0 {
		err = errors.Join(err, fmt.Errorf("role-age: want more than 0s, got %s", c.RoleAge))
	}
	if c.Timeout < time.Millisecond {
		err = errors.Join(err, fmt.Errorf("policy-timeout: want at least 1ms, got %s", c.Timeout))
	}
	return err
}
