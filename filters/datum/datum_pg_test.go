package datum

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// samples are values and near misses that literals are made of, by type. The
// generator also mixes and damages them.
var samples = map[string][]string{
	"int2":    {"0", "1", "-1", "32767", "-32768", "32768", "+5", "007", "0x1F", "1_000", "1.5", "1e3", "", " 7 ", "--1", "+-1", "abc"},
	"int4":    {"0", "1", "-1", "2147483647", "-2147483648", "2147483648", "99999999999999999999", "99999999999x", "+5", "007", "0b1", "1.0", "null", "\t7\n"},
	"int8":    {"0", "9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "+1", "- 1", "0o7", "1 2"},
	"oid":     {"0", "1", "08", "010", "4294967295", "4294967296", "-1", "x", ""},
	"numeric": {"0", "-0", "1.50", "1.5", "001.500", ".5", "5.", ".", "-.5e-3", "1e10", "1E+2", "1e-10", "NaN", "nan", "-NaN", "Infinity", "-inf", "+Infinity", "inf", "1e1001", "1e200000", "99999999999999999999.5", "1e", "e1", "0x1F", "1_0", "12.5.6", " 1.5 ", "", "10", "100.00", "123456789012345678901234567890.123456789"},
	"float4":  {"0", "-0", "0.1", "1.1", "3.4e38", "3.5e38", "1e-45", "1e-46", "NaN", "Infinity", "-inf", "16777217", "1e", "0x1p3", "nan(1)", "1.5x", "1e400x", "inf x", "abc", ""},
	"float8":  {"0", "-0.0", "0.1", "0.30000000000000004", "1e300", "1e308", "1.8e308", "1e-323", "1e-324", "1e400", "0e400", "NaN", "infinity", "-Infinity", ".5", "5.", "+1.5", " 2 ", "1,5", "x", "", "1e5 ", "1e400 y"},
	"bool":    {"t", "f", "true", "FALSE", "yes", "no", "on", "off", "of", "o", "1", "0", "y", "n", "tr", "truee", " true ", "maybe", "", "01"},
	"text":    {"", "a", "abc", "Abc", "ä", "zebra", " a", "a ", "null", "💥", "a\nb", "\u007f", "\u00a0"},
	"varchar": {"", "a", "abc", "a ", "ä"},
	"bpchar":  {"", "a", "a  ", " a", "ab", "a\t", "ä ", "  "},
	"name":    {"", "a", strings.Repeat("x", 62) + "ä", strings.Repeat("x", 64), strings.Repeat("ä", 40)},
	`"char"`:  {"", "a", "ab", "Z", `\101`, "\\"},
	"uuid": {
		"00000000-0000-4000-8000-000000000001", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
		"a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "xyz", "", "{", "{}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111", "ffffffff-ffff-ffff-ffff-ffffffffffff", "-a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0e-ebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11-", "{a0eebc999c0b4ef8bb6d6bb9bd380a11", " a0eebc999c0b4ef8bb6d6bb9bd380a11",
	},
	"bytea":            {`\x`, `\x00ff`, `\x00FF`, `\x 00 ff`, `\x0`, `\xgg`, "", "abc", `a\\b`, `\001`, `\400`, `\1`, `\`, `00ff`, `\x0 0`, "ä", `\377`},
	"varbit":           {"", "1", "10", "101", "0101", "2", "B101", "x1F", "b", "11111111", "111111110"},
	`pg_catalog."bit"`: {"1", "0", "101", "1010"},
	"date":             {"2024-01-01", "0001-01-01", "9999-12-31", "infinity", "-infinity", "Infinity", "2024-02-29", "2023-02-29", "2024-13-01", "2024-1-1", "01/02/2024", "20240101", "Jan 8 1999", "0044-03-15 BC", "99999-01-01", "4714-11-24 BC", "0000-01-01", "epoch", "2024-01-01T10:00:00Z", "", "x", "2024-001"},
	"time":             {"10:00", "10:00:00", "23:59:59.999999", "24:00", "24:00:00", "10:00:60", "10:00:00.1234567", "04:05 PM", "allballs", "040506", "10:00:00.5", "25:00", "10:60", "", "10:00:00+02"},
	"timetz":           {"10:00+02", "10:00:00+00", "12:00:00+02", "12:00:00+02:00", "10:00:00Z", "10:00:00-15:59", "10:00:00+16", "10:00", "04:05:06.789-08:30", "24:00:00+00", "23:00:00-01", "00:00+05:30:15", "10:00:00 UTC"},
	"timestamp":        {"2024-01-01 00:00:00", "2024-01-01T00:00:00", "2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.123Z", "2024-01-01 00:00:00+05", "infinity", "-infinity", "0044-03-15 00:00:00 BC", "294276-12-31 23:59:59.999999", "2024-01-01 24:00:00", "2024-01-01T10:00", "2024-06-01 10:00:00.1234567", "2024-06-01 10:00:60", "4713-01-01 00:00:00 BC", "2024-12-31T23:59:59.5+05:30", "1999-12-31 23:59:59", "2024-01-01 ", "epoch"},
	"timestamptz":      {"2024-01-01 00:00:00+00", "2024-01-01T00:00:00Z", "2024-01-01 01:00:00+01", "2024-01-01", "2024-01-01T00:00:00", "2024-06-01T00:00:00.123456+00:00", "2024-06-01T00:00:00.123Z", "infinity", "-infinity", "1999-12-31 23:59:59+00", "2024-01-01T00:00:00+0530", "2024-01-01T00:00:00-15:59:59", "2024-01-01T00:00:00+16:00", "2024-01-01T00:00Z", "2024-01-01 00:00:00 +05", "0044-03-15 00:00:00+00 BC", "294276-12-31 23:59:59+00", "2024-02-30", "not-a-date", "2024-01-01T00:00:00.1234567Z", "2024-01-01t00:00:00z", "2024-01-01 00:00:00 Europe/Berlin"},
	"interval":         {"1 day", "24 hours", "1 mon", "1 month", "30 days", "1 year", "12 mons", "360 days", "365 days", "1 year 2 mons 3 days 04:05:06.7", "-1 mons +2 days", "-00:00:01", "-1 days", "1 week", "7 days", "2 weeks 3 days", "04:05", "1:02:03", "P1D", "1.5 days", "1 day ago", "1 day 2 days", "3 days -04:00:00", "-1 year 2 mons", "1", "", "1 fortnight", "100 hours 5 min", "5 mins 3 secs", "2 minutes 1 second", "1 hour 02:00", "999999 years", "99999999 years", "0 days", "00:00:00", "1  day", "1 day ", "+5 days", "1 Day", "1 us", "25:00:00", "-1 mon", "1 days 24:00:00"},
	"inet":             {"10.0.0.1", "10.0.0.1/8", "10.0.0.1/32", "10.0.0.0/8", "::1", "::1/64", "::ffff:1.2.3.4", "1.2.3.4/0", "0.0.0.0/0", "fe80::1%eth0", "10.1", "10.0.0.256", "2001:DB8::1", "::/0", "2001:db8::/32", "010.0.0.1", "10.0.0.1/33", "10.0.0.1/08", "", "255.255.255.255", "2001:db8:0:0:0:0:0:1/128"},
	"cidr":             {"10.0.0.0/8", "10.0.0.1/8", "10.0.0.1", "10/8", "10.1/16", "::/0", "2001:db8::/32", "2001:db8::1/32", "192.168.0.0/16", "0.0.0.0/0", "2001:db8::1"},
	"macaddr":          {"08:00:2b:01:02:03", "08-00-2b-01-02-03", "08002b:010203", "0800.2b01.0203", "08:00:2B:01:02:04", "ff:ff:ff:ff:ff:ff", "08:00-2b:01:02:03", "xx", "0:0:0:0:0:0"},
	"macaddr8":         {"08:00:2b:01:02:03:04:05", "08-00-2b-01-02-03-04-05", "ff:ff:ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03", "08002b0102030405", "7f:00:00:00:00:00:00:00"},
	"mood":             {"sad", "ok", "happy", "Zed", "a b", "SAD", "angry", "", " sad", "sad "},
	"label":            {"", "a", "b"},
	"short":            {"a", "abc", "abcd", "ab"},
	"money_amount":     {"1.5", "1.555", "1.50", "99999999"},
	"int4[]":           {"{}", "{1,2}", "{2,1}", "{NULL}", "{1,NULL}", "{ 1 , 2 }", `{"1"}`, "{1,}", "{.1,}", "{,1}", "{{1,2},{3,4}}", "[0:1]={1,2}", "1", "", "{1", "{1}}", "{1,2,3}", "{10}", "{a}", "{{1},{2,3}}", "{1 2}", "{nUll}", "{99999999999}", " {1} ", "{{}}", "{1,{2}}"},
	"text[]":           {"{}", "{a,b}", `{"a,b"}`, `{"a\"b"}`, `{a\,b}`, `{NULL,"NULL"}`, `{""}`, `{ a b , c }`, `{a"b}`, `{\ a\ }`, `{"a" b}`, `{"{x}"}`, `{{a},{b}}`, `{\NULL}`, `{n\ull}`, `{"a""b"}`},
	"numeric[]":        {"{1.0}", "{1.00}", "{NaN,1}", "{1,2.50}"},
	"uuid[]":           {"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "{x}"},
	"mood[]":           {"{sad,ok}", "{happy}", "{angry}"},
	"int4range":        {"[1,5)", "[1,4]", "empty", "(,)", "(,5]", "[2,)", "(0,5)", "[5,1]", "[1,1)"},
	"numrange":         {"[1.0,2.0]", "[1,2]", "(1,2)", "[1,2)", "(,2)", "(1.50,)", "empty", "[2,3]", "(2,3)", "[NaN,NaN]"},
	"tsrange":          {`["2024-01-01 00:00:00","2024-02-01 00:00:00")`, "[2024-01-01,)", "(,infinity]", "[2024-01-15,2024-01-20]"},
	"daterange":        {"[2024-01-01,2024-01-05]", "[2024-01-01,2024-01-06)", "(2024-01-01,)"},
	"jsonb":            {`{"a":1}`, `{"a": 1.0}`, `{"a":1,"b":2}`, `{"b":2,"a":1}`, `[1,2]`, `[1, 2.00]`, `null`, `"a"`, `"\u0061"`, `1`, `1e0`, `-0`, `0`, `true`, `false`, `{"a":1,"a":2}`, `{"a":2}`, `[]`, `{}`, `[[]]`, `""`, `"\ud83d\udca5"`, `"💥"`, `"\ud83d"`, `"\u0000"`, `{a:1}`, `01`, `1.`, `.5`, `"a`, ``, ` 1 `, `"\/"`, `"/"`, `{"a":{"b":[1,{"c":null}]}}`, `1e200000`, "\"a\tb\"", `nul`, `[1,]`, `1 2`},
}

// literals draws samples, mostly as they are.
func literals(typeName string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rapid.SampledFrom(samples[typeName]).Draw(t, "sample")
		switch rapid.IntRange(0, 9).Draw(t, "damage") {
		case 0: // cut
			if runes := []rune(s); len(runes) > 0 {
				i := rapid.IntRange(0, len(runes)-1).Draw(t, "at")
				return string(runes[:i]) + string(runes[i+1:])
			}
		case 1: // insert
			runes := []rune(s)
			i := rapid.IntRange(0, len(runes)).Draw(t, "at")
			c := rapid.SampledFrom([]rune(`0123456789 .,-+:eEaAzZ{}[]()"\/TNxB_%`)).Draw(t, "char")
			return string(runes[:i]) + string(c) + string(runes[i:])
		case 2: // change a digit
			runes := []rune(s)
			for i, r := range runes {
				if r >= '0' && r <= '9' && rapid.Bool().Draw(t, "here") {
					runes[i] = rapid.RuneFrom([]rune("0123456789")).Draw(t, "digit")
				}
			}
			return string(runes)
		}
		return s
	})
}

func sampleTypes() []string { return slices.Sorted(maps.Keys(samples)) }

// TestTypesReadAndCompareAsPostgres asks the server the same as the types. What
// is uncertain is fine; anything else must be equal.
func TestTypesReadAndCompareAsPostgres(t *testing.T) {
	l := newLab(t)
	for _, name := range sampleTypes() {
		t.Run(name, func(t *testing.T) {
			typ := Of(l.typeNamed(t, name), Options{Bytewise: true, Folding: FoldASCII, UTC: true})
			if typ == nil {
				t.Fatalf("Of(%s) is nil", name)
			}
			if l.check(t, name, typ, samples[name]); t.Failed() {
				return
			}
			rapid.Check(t, func(rt *rapid.T) {
				l.check(rt, name, typ, rapid.SliceOfN(literals(name), 1, 15).Draw(rt, "literals"))
			})
		})
	}
}

// check compares reading, then comparing every two neighbours of what was read.
func (l *lab) check(t rapid.TB, name string, typ Type, literals []string) {
	ctx := context.Background()
	readings, err := l.read(ctx, name, literals)
	if err != nil {
		t.Fatal(err)
	}
	var printed []string
	for i, r := range readings {
		checkReading(t, name, typ, literals[i], r)
		if r.Printed != nil {
			printed = append(printed, *r.Printed)
		}
	}
	if len(printed) > 0 {
		l.checkOrder(t, name, typ, printed)
	}
}

func checkReading(t rapid.TB, name string, typ Type, literal string, r reading) {
	v, err := typ.In(literal)
	var invalid *Invalid
	switch {
	case errors.As(err, &invalid):
		if r.State == nil || *r.State != invalid.SQLState || *r.Message != invalid.Message {
			t.Errorf("%s %q: In refuses with %s %q; Postgres %s", name, literal, invalid.SQLState, invalid.Message, r.describe())
		}
	case err == nil && r.State != nil:
		t.Errorf("%s %q: In = %+v; Postgres %s", name, literal, v, r.describe())
	case err == nil:
		if out, ok := typ.Out(*r.Printed); ok && out.Key != v.Key {
			t.Errorf("%s %q: In = %+v; Postgres %s, which is %+v", name, literal, v, r.describe(), out)
		}
	}
}

func (l *lab) checkOrder(t rapid.TB, name string, typ Type, printed []string) {
	var a, b []string
	for i, x := range printed {
		for _, y := range printed[i:min(i+4, len(printed))] {
			a, b = append(a, x, y), append(b, y, x)
		}
	}
	want, err := l.compare(context.Background(), name, a, b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		x, ok1 := typ.Out(a[i])
		y, ok2 := typ.Out(b[i])
		if !ok1 || !ok2 {
			continue
		}
		if got := x.Key == y.Key; got != (want[i] == "=") {
			t.Errorf("%s: %q and %q equal: %t; Postgres says %s", name, a[i], b[i], got, want[i])
		}
		if !typ.Ordered() || x.Unordered || y.Unordered {
			continue
		}
		if got := "<=>"[sign(typ.Compare(x, y))+1 : sign(typ.Compare(x, y))+2]; got != want[i] {
			t.Errorf("%s: %q %s %q; Postgres says %s", name, a[i], got, b[i], want[i])
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
