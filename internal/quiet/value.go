package quiet

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

const (
	longest    = 200  // bytes of a value
	longestSQL = 2000 // bytes of SQL of our own, which is of no use if it is cut
)

// tidy cuts an attribute's value and takes secrets out of it.
func tidy(a slog.Attr) slog.Attr {
	limit := longest
	switch a.Key {
	case "remedy", "statement", "cure", "fix":
		limit = longestSQL
	}
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(short(redacted(a.Value.String()), limit))
	case slog.KindGroup:
		attributes := a.Value.Group()
		tidied := make([]slog.Attr, len(attributes))
		for i, m := range attributes {
			tidied[i] = tidy(m)
		}
		a.Value = slog.GroupValue(tidied...)
	case slog.KindAny:
		// Anything else stays as it is unless its text is too long or has secrets.
		text := fmt.Sprintf("%+v", a.Value.Any())
		_, isError := a.Value.Any().(error)
		if better := short(redacted(text), limit); better != text || isError {
			a.Value = slog.StringValue(better)
		}
	}
	return a
}

// short cuts a text between two characters.
func short(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(s[:limit], ""), len(s))
}

var (
	userinfo = regexp.MustCompile(`(\w://)[^\s"']*@`)
	query    = regexp.MustCompile(`(\w://[^\s"'?]*)\?[^\s"']*`)
	// token is a JWT: its first two parts are objects, and "{" is "ey".
	token = regexp.MustCompile(`ey[\w-]+\.ey[\w-]+\.[\w-]*`)
)

// redacted is a text without the parts that may be secret. Nothing that holds
// any should come here; this is for what libraries put into their errors.
func redacted(s string) string {
	if strings.Contains(s, "://") {
		s = userinfo.ReplaceAllString(s, "$1…@")
		s = query.ReplaceAllString(s, "$1?…")
	}
	if strings.Contains(s, ".ey") {
		s = token.ReplaceAllString(s, "…token")
	}
	return s
}
