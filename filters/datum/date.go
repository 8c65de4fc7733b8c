package datum

import (
	"math"
	"strconv"
	"strings"
)

const (
	microsPerSecond = int64(1_000_000)
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour
)

// date has days since 1970-01-01 in A.
type date struct{}

func (date) Out(text string) (Value, bool) {
	if v, ok := infinite(text); ok {
		return v, true
	}
	text, bc := strings.CutSuffix(text, " BC")
	days, ok := parseDay(text, bc)
	return number(days), ok
}

// In reads YYYY-MM-DD and the infinities. Postgres reads many more spellings, some
// of which depend on DateStyle or on the present day.
func (date) In(literal string) (Value, error) {
	if v, ok := infinite(strings.ToLower(literal)); ok {
		return v, nil
	}
	if days, ok := literalDay(literal); ok {
		return number(days), nil
	}
	return Value{}, ErrUncertain
}

func (date) Compare(a, b Value) int { return compareNumbers(a, b) }
func (date) Ordered() bool          { return true }

// infinite reads infinity and -infinity, as dates and timestamps print them.
func infinite(text string) (Value, bool) {
	switch text {
	case "infinity":
		return number(math.MaxInt64), true
	case "-infinity":
		return number(math.MinInt64), true
	}
	return Value{}, false
}

// literalDay reads YYYY-MM-DD with a year of four digits other than 0000.
func literalDay(s string) (int64, bool) {
	if len(s) != len("2006-01-02") || strings.HasPrefix(s, "0000") {
		return 0, false
	}
	return parseDay(s, false)
}

// parseDay reads [Y…]YYYY-MM-DD and counts days since 1970-01-01.
func parseDay(s string, bc bool) (int64, bool) {
	if len(s) < len("2006-01-02") || len(s) > len("5874897-12-31") || s[len(s)-6] != '-' || s[len(s)-3] != '-' {
		return 0, false
	}
	year, ok1 := digits(s[:len(s)-6])
	month, ok2 := digits(s[len(s)-5 : len(s)-3])
	day, ok3 := digits(s[len(s)-2:])
	if !ok1 || !ok2 || !ok3 {
		return 0, false
	}
	if bc {
		year = 1 - year
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return daysFromCivil(year, month, day), true
}

// digits reads an unsigned number.
func digits(s string) (int64, bool) {
	if !isDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysFromCivil counts days since 1970-01-01 in the proleptic Gregorian
// calendar (Howard Hinnant's days_from_civil). Year 0 is 1 BC.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	dayOfYear := (153*((month+9)%12)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468
}
