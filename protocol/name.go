package protocol

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxTopic is the length of the longest topic and presence key, in bytes.
	// Upstream has no limit, but its frames have room for 255.
	maxTopic = 1024
	// MaxIdentifier is the length of the longest name of a schema, table or
	// column that Postgres can have, in bytes.
	MaxIdentifier = 63
)

// IsName reports whether a text can be a name. One with control characters is
// a mistake or an attack: nobody types it, Postgres refuses a NUL as an
// error of the whole statement, and a line end in a log pretends to be another
// entry.
func IsName(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// CheckTopic says why no topic can have the name, which is without
// "realtime:". An error is a Refusal.
func CheckTopic(subTopic string) error {
	switch {
	case len(subTopic) > maxTopic:
		return RefuseTopicTooLong
	case !IsName(subTopic):
		return RefuseTopicControl
	}
	return nil
}

// isKey reports whether a presence can have the key.
func isKey(key string) bool { return len(key) <= maxTopic && IsName(key) }

// errorName is the text of a binding whose parameter is no name.
func errorName(parameter string) string {
	return fmt.Sprintf("Error parsing `%s` params: a name has no control characters", parameter)
}
