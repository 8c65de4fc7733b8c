package datum

import "strings"

// clock is time without time zone: microseconds since midnight in A.
type clock struct{}

func (clock) Out(text string) (Value, bool) {
	micros, ok := parseClock(text)
	return number(micros), ok
}

func (clock) In(literal string) (Value, error) {
	if micros, ok := parseClock(literal); ok && micros < microsPerDay {
		return number(micros), nil
	}
	return Value{}, ErrUncertain
}

func (clock) Compare(a, b Value) int { return compareNumbers(a, b) }
func (clock) Ordered() bool          { return true }

// parseClock reads HH:MM[:SS[.ffffff]], and 24:00:00.
func parseClock(s string) (int64, bool) {
	s, fraction, point := strings.Cut(s, ".")
	seconds := int64(0)
	switch {
	case len(s) == len("04:05:06") && s[2] == ':' && s[5] == ':':
		n, ok := digits(s[6:])
		if !ok || n > 59 {
			return 0, false
		}
		seconds = n
	case len(s) == len("04:05") && s[2] == ':' && !point:
	default:
		return 0, false
	}
	hours, ok1 := digits(s[:2])
	minutes, ok2 := digits(s[3:5])
	micros, ok3 := fractionMicros(fraction, point)
	if !ok1 || !ok2 || !ok3 || hours > 24 || minutes > 59 {
		return 0, false
	}
	sum := hours*microsPerHour + minutes*microsPerMinute + seconds*microsPerSecond + micros
	return sum, sum <= microsPerDay
}

// fractionMicros reads the digits after the point of a second, one to six.
func fractionMicros(s string, point bool) (int64, bool) {
	if !point {
		return 0, true
	}
	if len(s) > 6 {
		return 0, false // Postgres rounds it
	}
	n, ok := digits(s)
	for range 6 - len(s) {
		n *= 10
	}
	return n, ok
}

// zonedClock is time with time zone. A has the time of day in UTC, B the zone in
// seconds west of Greenwich, which orders equal times.
type zonedClock struct{ utc bool }

func (zonedClock) Out(text string) (Value, bool) {
	local, zone := cutZone(text)
	if zone == "" {
		return Value{}, false
	}
	return zonedValue(local, zone)
}

func zonedValue(local, zone string) (Value, bool) {
	micros, ok1 := parseClock(local)
	west, ok2 := parseZone(zone)
	return Value{Key: Key{A: micros + west*microsPerSecond, B: west}}, ok1 && ok2
}

func (t zonedClock) In(literal string) (Value, error) {
	local, zone := cutZone(literal)
	if zone == "" && t.utc {
		zone = "Z"
	}
	if v, ok := zonedValue(local, zone); ok && !strings.HasPrefix(local, "24") {
		return v, nil
	}
	return Value{}, ErrUncertain
}

func (zonedClock) Compare(a, b Value) int { return compareNumbers(a, b) }
func (zonedClock) Ordered() bool          { return true }

// cutZone cuts "Z" or an offset from the end of a time of day.
func cutZone(s string) (local, zone string) {
	if i := strings.IndexAny(s, "Z+-"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// parseZone reads Z, ±HH, ±HHMM, ±HH:MM or ±HH:MM:SS. It returns seconds west of
// Greenwich, as Postgres stores a zone.
func parseZone(s string) (int64, bool) {
	if s == "Z" {
		return 0, true
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	fields := s[1:]
	switch len(fields) {
	case len("02"), len("0230"):
	case len("02:30"):
		if fields[2] != ':' {
			return 0, false
		}
	case len("02:30:15"):
		if fields[2] != ':' || fields[5] != ':' {
			return 0, false
		}
	default:
		return 0, false
	}
	fields = strings.ReplaceAll(fields, ":", "")
	seconds, unit := int64(0), int64(3600)
	for ; fields != ""; fields, unit = fields[2:], unit/60 {
		if len(fields) < 2 {
			return 0, false
		}
		n, ok := digits(fields[:2])
		if !ok || n > 59 || unit == 3600 && n > 15 {
			return 0, false
		}
		seconds += n * unit
	}
	if s[0] == '+' {
		seconds = -seconds
	}
	return seconds, true
}
