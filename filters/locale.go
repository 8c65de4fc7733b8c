package filters

import (
	"strings"

	"walcast/filters/datum"
	"walcast/filters/pattern"
)

// Locale is what a database adds to the meaning of a comparison. Postgres is
// asked wherever a field that matters is empty.
type Locale struct {
	Collate  string // the default collation's LC_COLLATE: "C", "en_US.UTF-8"
	Ctype    string // its LC_CTYPE
	TimeZone string // the time zone in which sessions read literals: "UTC"

	// Expressions are the compiled regular expressions of the filters that are bound
	// under the locale; nil has each filter compile its own.
	Expressions *pattern.Expressions
}

// Sharing returns the locale with Expressions, which all filters that are bound under
// it share.
func (l Locale) Sharing() Locale {
	l.Expressions = pattern.NewExpressions()
	return l
}

// certainty is what Go may decide under a locale.
type certainty struct {
	datum.Options
	fold  pattern.Case // how patterns compare letters where case does not count
	folds bool         // whether fold is known

	expressions *pattern.Expressions
}

// certainty returns what Go may decide under the locale.
func (l Locale) certainty() certainty {
	c := certainty{expressions: l.Expressions, Options: datum.Options{
		Bytewise: Bytewise(l.Collate),
		Folding:  l.folding(),
		UTC:      l.TimeZone == "UTC" || l.TimeZone == "Etc/UTC" || l.TimeZone == "GMT",
	}}
	switch c.Folding {
	case datum.FoldASCII:
		c.fold, c.folds = pattern.FoldASCII, true
	case datum.FoldLocal:
		c.fold, c.folds = pattern.FoldLocal, true
	}
	return c
}

// Bytewise reports whether a collation sorts UTF-8 by its bytes, which is the
// order of code points.
func Bytewise(collate string) bool {
	switch strings.ToLower(collate) {
	case "c", "posix", "c.utf-8", "c.utf8", "ucs_basic", "pg_c_utf8":
		return true
	}
	return false
}

// folding says for which letters Go knows the other case. In Turkish and related
// languages it does not even know that of ASCII's, as I is the capital of a dotless i.
func (l Locale) folding() datum.Folding {
	language, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(l.Ctype, "-", "_")), "_")
	switch language {
	case "", "tr", "az", "lt":
		return datum.FoldUnknown
	case "c", "posix":
		return datum.FoldASCII
	}
	return datum.FoldLocal
}
