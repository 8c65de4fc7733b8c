package main

import (
	"errors"
	"fmt"
	"strings"
)

// settingError says in one sentence what is wrong with one setting, by name.
type settingError struct{ text string }

func (e *settingError) Error() string { return e.text }

// wrong makes the error of one setting; name has no dashes in front.
func wrong(name, format string, args ...any) error {
	return &settingError{"--" + name + ": " + fmt.Sprintf(format, args...)}
}

// renamed are fields whose packages call them otherwise than the setting.
var renamed = map[string]string{
	"secrets":  "jwt-secret",
	"audience": "jwt-audience",
	"issuer":   "jwt-issuer",
}

// named turns what the packages' Validate says, "queue_bytes: want …" a line,
// into the names that the user wrote. nil stays nil.
func named(err error) error {
	if err == nil {
		return nil
	}
	var all []error
	for line := range strings.Lines(err.Error()) {
		all = append(all, renameField(strings.TrimSuffix(line, "\n")))
	}
	return errors.Join(all...)
}

func renameField(line string) error {
	field, rest, found := strings.Cut(line, ": ")
	if !found || strings.ContainsAny(field, " ") && !strings.Contains(field, ", ") {
		return &settingError{line}
	}
	var names []string
	for name := range strings.SplitSeq(field, ", ") {
		name = strings.ReplaceAll(name, "_", "-")
		if to, ok := renamed[name]; ok {
			name = to
		}
		names = append(names, "--"+name)
	}
	return &settingError{strings.Join(names, ", ") + ": " + rest}
}
