package conninfo

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrUnreadable is all that is said of a URL that cannot be taken apart: the
// parser's own error quotes it and with it, in some malformed ones, the password.
var ErrUnreadable = errors.New("cannot be read; want postgres://user:password@host:5432/database, with special characters in user and password percent-encoded")

// Parse reads a URL, or key=value pairs, as libpq does. Parameters that other
// clients add are left out, see Ignored. What remains and is none of libpq's goes
// to Postgres as a setting of the session; Postgres refuses what it does not know.
func Parse(databaseURL string) (*pgxpool.Config, error) {
	c, _, err := parse(databaseURL)
	return c, err
}

// Ignored are the names of the parameters that Parse leaves out, in order.
func Ignored(databaseURL string) []string {
	_, ignored, err := parse(databaseURL)
	if err != nil {
		return nil
	}
	return ignored
}

func parse(databaseURL string) (c *pgxpool.Config, ignored []string, err error) {
	text, err := tidyParameters(Tidy(databaseURL))
	if err != nil {
		return nil, nil, err
	}
	if c, err = pgxpool.ParseConfig(text); err != nil {
		return nil, nil, explain(err)
	}
	if err := check(c); err != nil {
		return nil, nil, err
	}
	settings := c.ConnConfig.RuntimeParams
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if isForeign(name) {
			delete(settings, name)
			ignored = append(ignored, name)
		}
	}
	// An ordinary connection that asked for replication could prepare no statement.
	forget(settings, "replication")
	pinEncoding(&c.ConnConfig.Config)
	return c, ignored, nil
}

// forget takes a setting of the session out. Its name ignores case.
func forget(settings map[string]string, name string) {
	maps.DeleteFunc(settings, func(other, _ string) bool { return strings.EqualFold(other, name) })
}

// scheme is how a URL begins: drivers and frameworks put their own name into it, as in
// postgresql+asyncpg://, jdbc:postgresql:// and pgsql://.
var scheme = regexp.MustCompile(`(?i)^(?:jdbc:|r2dbc:(?:pool:)?|vertx-reactive:)?` +
	`(?:postgres|postgresql|postgis|ecto|pgsql|psql|pdo[-_]pgsql|timescale|timescaledb|timescalegis|asyncpg|psycopg)(?:\+[a-z0-9_]+)?://`)

// Tidy takes away what surrounds a URL in files and variables (blanks, line ends, quotes
// and the mark that some editors begin a file with), and gives it the scheme that libpq
// knows.
func Tidy(databaseURL string) string {
	text := strings.TrimSpace(strings.TrimPrefix(databaseURL, "\ufeff"))
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		text = strings.TrimSpace(text[1 : n-1])
	}
	return scheme.ReplaceAllString(text, "postgres://")
}

// explain says what keeps a URL from being used, if that can be said without
// quoting it: which parameter, and what is wrong with TLS and its files.
func explain(err error) error {
	var parsing *pgconn.ParseConfigError
	if !errors.As(err, &parsing) {
		return ErrUnreadable
	}
	if name := complained(parsing); name != "" {
		return badParameter(name)
	}
	cause := parsing.Unwrap()
	var file *fs.PathError
	switch {
	case cause == nil:
		return ErrUnreadable
	case errors.As(cause, &file):
		return fmt.Errorf("%s cannot be read: %w", fileParameter(cause.Error()), file)
	}
	for text, meaning := range tlsErrors {
		if strings.HasPrefix(cause.Error(), text) {
			return errors.New(meaning)
		}
	}
	return ErrUnreadable
}

// tlsErrors are what pgconn says of files that it can open, and what that means.
var tlsErrors = map[string]string{
	"unable to add CA to cert pool":            "sslrootcert: want a file of certificates in PEM form",
	`both "sslcert" and "sslkey" are required`: "sslcert and sslkey: want both or none",
	"failed to decode sslkey":                  "sslkey: want a file with a private key in PEM form",
	"unable to find sslpassword":               "sslkey: the key is encrypted, want its password as sslpassword",
	"unable to decrypt key":                    "sslpassword: the key that sslkey names cannot be decrypted with it",
	"unable to load cert":                      "sslcert and sslkey: want a certificate in PEM form, and the key that belongs to it",
}

// fileParameter is the parameter that named a file, by pgconn's text.
func fileParameter(text string) string {
	switch {
	case strings.Contains(text, "CA file"):
		return "sslrootcert"
	case strings.Contains(text, "sslkey"):
		return "sslkey"
	case strings.Contains(text, "cert"):
		return "sslcert"
	}
	return "a file"
}
