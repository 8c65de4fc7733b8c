package datum

import "strings"

// timestamp is timestamp with or without time zone. A has microseconds since 2000.
// The two types differ in what a zone in a literal means, and what its lack means.
type timestamp struct {
	zoned bool
	utc   bool // a literal without a zone is in UTC
}

func (t timestamp) Out(text string) (Value, bool) {
	if v, ok := infinite(text); ok {
		return v, true
	}
	text, bc := strings.CutSuffix(text, " BC")
	day, clockAndZone, ok := strings.Cut(text, " ")
	if !ok {
		return Value{}, false
	}
	days, ok := parseDay(day, bc)
	if !ok {
		return Value{}, false
	}
	local, zone := cutZone(clockAndZone)
	if t.zoned == (zone == "") {
		return Value{}, false
	}
	return at(days, local, zone)
}

// daysBefore2000 is the days from 1970 to 2000. Postgres counts microseconds from
// 2000; counted from 1970 the last years of its range would overflow.
const daysBefore2000 = 10957

// at returns the value of a time on a day. Without a zone the time is in UTC.
func at(days int64, local, zone string) (Value, bool) {
	if zone == "" {
		zone = "Z"
	}
	micros, ok1 := parseClock(local)
	west, ok2 := parseZone(zone)
	return number((days-daysBefore2000)*microsPerDay + micros + west*microsPerSecond), ok1 && ok2
}

// In reads ISO 8601 and RFC 3339 as programs write them, with seconds below 60
// and at most six digits behind the point.
func (t timestamp) In(literal string) (Value, error) {
	if v, ok := infinite(strings.ToLower(literal)); ok {
		return v, nil
	}
	if len(literal) < len("2006-01-02") {
		return Value{}, ErrUncertain
	}
	days, ok := literalDay(literal[:10])
	if !ok {
		return Value{}, ErrUncertain
	}
	local, zone := "00:00", ""
	if rest := literal[10:]; rest != "" {
		if rest[0] != 'T' && rest[0] != ' ' {
			return Value{}, ErrUncertain
		}
		local, zone = cutZone(rest[1:])
	}
	v, ok := t.literalAt(days, local, zone)
	if !ok || strings.HasPrefix(local, "24") {
		return Value{}, ErrUncertain
	}
	return v, nil
}

// literalAt returns the value of a literal's time on a day. timestamp without time
// zone ignores the zone.
func (t timestamp) literalAt(days int64, local, zone string) (Value, bool) {
	if !t.zoned {
		if _, ok := at(days, local, zone); !ok {
			return Value{}, false
		}
		return at(days, local, "")
	}
	if zone == "" && !t.utc {
		return Value{}, false
	}
	return at(days, local, zone)
}

func (timestamp) Compare(a, b Value) int { return compareNumbers(a, b) }
func (timestamp) Ordered() bool          { return true }
