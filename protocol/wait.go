package protocol

import (
	"strconv"
	"time"
)

// defaultWait is how long a reply waits that is to wait, as clients expect it.
const defaultWait = 15 * time.Second

// configureWait reads "postgres_changes_options".
func (j *Join) configureWait(options value) {
	const field = "config.postgres_changes_options"
	if !options.isNull() && options.kind() != '{' {
		j.warn(field, "a map", "defaults are used")
		return
	}
	waits, timeout := false, defaultWait
	for name, v := range options.pairs() {
		switch string(name) {
		case "wait":
			waits = j.flag(field+".wait", v, false)
		case "timeout":
			timeout = j.waitTimeout(field+".timeout", v)
		}
	}
	if waits {
		j.Wait = timeout
	}
}

// waitTimeout reads a time in milliseconds.
func (j *Join) waitTimeout(field string, v value) time.Duration {
	if v.isNull() {
		return defaultWait
	}
	ms, err := strconv.ParseInt(string(v), 10, 32)
	if err != nil || ms <= 0 {
		j.warn(field, "milliseconds", strconv.FormatInt(defaultWait.Milliseconds(), 10)+" is used")
		return defaultWait
	}
	return time.Duration(ms) * time.Millisecond
}
