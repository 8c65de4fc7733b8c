package datum

import (
	"math"
	"strings"
)

// interval has the whole days of its length in A and the remaining microseconds in
// B. As in Postgres a month counts as 30 days and a day as 24 hours.
type interval struct{}

func (interval) Out(text string) (Value, bool) {
	switch text {
	case "infinity": // Postgres 17
		return number(math.MaxInt64), true
	case "-infinity":
		return number(math.MinInt64), true
	}
	return parseInterval(text)
}

// In reads the form that Out reads, "1 year 2 mons -3 days 04:05:06.7", with all
// names of the units.
func (interval) In(literal string) (Value, error) {
	negative := strings.Contains(literal, "-")
	if negative && strings.Count(literal, " ") > 1 {
		// Under IntervalStyle sql_standard a leading minus applies to all fields.
		return Value{}, ErrUncertain
	}
	if longestNumber(literal) > 6 {
		return Value{}, ErrUncertain // may be out of range
	}
	if v, ok := parseInterval(literal); ok {
		return v, nil
	}
	return Value{}, ErrUncertain
}

// longestNumber is the length of the longest run of digits.
func longestNumber(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		run++
		if !isDigit(s[i]) {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// intervalUnits are the units in the order in which they must come.
var intervalUnits = [...]struct {
	names  string
	days   int64
	micros int64
}{
	{" year years ", 360, 0},
	{" mon mons month months ", 30, 0},
	{" week weeks ", 7, 0},
	{" day days ", 1, 0},
	{" hour hours ", 0, microsPerHour},
	{" minute minutes min mins ", 0, microsPerMinute},
	{" second seconds sec secs ", 0, microsPerSecond},
}

// parseInterval reads numbers with units in descending order, then a time HH:MM.
func parseInterval(s string) (Value, bool) {
	if s == "" {
		return Value{}, false
	}
	var days, micros int64
	for unit := 0; s != ""; {
		word, rest, more := strings.Cut(s, " ")
		if strings.Contains(word, ":") {
			clock, ok := parseDuration(word)
			return intervalValue(days, micros+clock), ok && !more && unit < 5
		}
		n, ok := signedDigits(word)
		if !ok || !more {
			return Value{}, false
		}
		word, s, more = strings.Cut(rest, " ")
		for unit < len(intervalUnits) && !strings.Contains(intervalUnits[unit].names, " "+word+" ") {
			unit++
		}
		if word == "" || unit == len(intervalUnits) || more && s == "" {
			return Value{}, false
		}
		days += n * intervalUnits[unit].days
		micros += n * intervalUnits[unit].micros
		unit++
	}
	return intervalValue(days, micros), true
}

// intervalValue returns the value of a number of days and microseconds.
func intervalValue(days, micros int64) Value {
	days += micros / microsPerDay
	micros %= microsPerDay
	if micros < 0 {
		days, micros = days-1, micros+microsPerDay
	}
	return Value{Key: Key{A: days, B: micros}}
}

// signedDigits reads a number of at most ten digits, with a sign or without.
func signedDigits(s string) (int64, bool) {
	n, ok := digits(unsign(s))
	if s != "" && s[0] == '-' {
		n = -n
	}
	return n, ok && len(unsign(s)) <= 10
}

// parseDuration reads [±]H…:MM[:SS[.ffffff]] with any number of hours, in
// microseconds.
func parseDuration(s string) (int64, bool) {
	unsigned := unsign(s)
	whole, rest, _ := strings.Cut(unsigned, ":")
	hours, ok := digits(whole)
	if !ok || len(whole) > 10 || hours > math.MaxInt64/microsPerHour-1 {
		return 0, false
	}
	micros, ok := parseClock("00:" + rest)
	if !ok {
		return 0, false
	}
	micros += hours * microsPerHour
	if s[0] == '-' {
		micros = -micros
	}
	return micros, true
}

func (interval) Compare(a, b Value) int { return compareNumbers(a, b) }
func (interval) Ordered() bool          { return true }
