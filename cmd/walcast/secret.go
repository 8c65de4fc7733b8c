package main

import (
	"os"
	"strings"
)

// secret is a setting that may also be given as a file, for Docker and systemd
// credentials: value, or what path holds. name is the setting's.
func secret(name, value, path string) (string, error) {
	if path == "" {
		return value, nil
	}
	if value != "" {
		return "", wrong(name, "set together with --%s-file; want one of them", name)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", wrong(name+"-file", "%v", err)
	}
	value = strings.TrimRight(string(text), "\r\n") // editors end files with one
	if value == "" {
		return "", wrong(name+"-file", "%s is empty", path)
	}
	return value, nil
}

// secretLines is secret for lists: one item a line, or the items given.
func secretLines(name string, items []string, path string) ([]string, error) {
	text, err := secret(name, strings.Join(items, "\n"), path)
	if err != nil || path == "" {
		return items, err
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
