package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// removed are the settings that earlier versions had, each with what holds in its
// place.
var removed = map[string]string{
	"close-timeout":   "a client always has 2s to answer a close frame",
	"header-timeout":  "a client always has 10s to send its request's headers",
	"status-interval": "Postgres is always told every 10s how far it was read",
	"resume-clients":  "100000 topics of clients that are away are always remembered",
	"resume-memory":   "topics of clients that are away are always remembered for 24h",
	"role-age":        "access-age says how long what the database says of roles, and of all other access, is believed",
	"token-check":     "the tokens of joined channels are always verified again every 5m",
	"write-check":     "a private channel's write permission is always believed for 30s, or until something is seen to change that it depends on",
	"shards":          "there is one for each processor that Go uses, which the variable GOMAXPROCS bounds",
}

// refuseRemoved names every removed setting that is given as a flag or, to serve,
// in the environment: it would otherwise be ignored without a word.
func refuseRemoved(args []string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(removed)) {
		flag, variable := "--"+name, "WALCAST_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		given := func(arg string) bool { return arg == flag || strings.HasPrefix(arg, flag+"=") }
		if slices.ContainsFunc(args, given) {
			errs = append(errs, notASetting(flag, name))
		}
		if _, set := os.LookupEnv(variable); set && len(args) > 0 && args[0] == "serve" {
			errs = append(errs, notASetting(variable, name))
		}
	}
	return errors.Join(errs...)
}

// notASetting is the error of a removed setting as it was given.
func notASetting(given, name string) error {
	return fmt.Errorf("%s: not a setting any more, take it out: %s", given, removed[name])
}
