package rowjson

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// literal generates values of a type as a person would type them.
type literal struct {
	typ       string // as SQL has it
	generator *rapid.Generator[string]
}

func literals() []literal {
	text := textLiteral()
	int4 := number(rapid.Int32())
	pair := row(int4, text)
	moods := rapid.SampledFrom([]string{"sad", `it's "ok"`, "happy, very"})
	timestamptz := stamp(rapid.Just("+00"), rapid.SampledFrom([]string{"+00", "-07", "+05:30", "-00:19:32"}))
	numeric := numericLiteral()
	bytea := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return `\x` + hex.EncodeToString(b) })
	document := jsonLiteral()
	hstore := hstoreLiteral()
	scalars := []literal{
		{"bool", rapid.SampledFrom([]string{"t", "f"})},
		{"int2", number(rapid.Int16())},
		{"int4", int4},
		{"int8", number(rapid.Int64())},
		{"oid", number(rapid.Uint32())},
		{"xid", number(rapid.Uint32())},
		{"float4", float(32)},
		{"float8", float(64)},
		{"numeric", numeric},
		{"money", rapid.Map(rapid.Int32(), func(n int32) string { return strconv.FormatFloat(float64(n)/100, 'f', 2, 64) })},
		{"text", text},
		{"varchar", text},
		{"name", text},
		{"bpchar", text},
		{"char(7)", text},
		{`"char"`, rapid.StringMatching(`[ -~]`)},
		{"bytea", bytea},
		{"digest", bytea},
		{"json", document},
		{"jsonb", document},
		{"date", stampDate()},
		{"time", timeOfDay()},
		{"timetz", join(timeOfDay(), rapid.SampledFrom([]string{"+00", "-03", "+05:30"}))},
		{"timestamp", stamp(rapid.Just(""), rapid.Just(""))},
		{"timestamptz", timestamptz},
		{"interval", intervalLiteral()},
		{"uuid", rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)},
		{"inet", rapid.StringMatching(`1[0-9]{2}\.[0-9]{1,2}\.1[0-9]\.[1-9](/(8|16|32))?|::[0-9a-f]{1,4}(/64)?`)},
		{"macaddr", rapid.StringMatching(`[0-9a-f]{2}(:[0-9a-f]{2}){5}`)},
		{"pg_lsn", rapid.StringMatching(`[0-9A-F]{1,8}/[0-9A-F]{1,8}`)},
		{"bit(5)", rapid.StringMatching(`[01]{5}`)},
		{"varbit", rapid.StringMatching(`[01]{0,9}`)},
		{"point", rapid.StringMatching(`\([0-9]\.[1-9],-?[1-9]\)`)},
		{"box", boxLiteral()},
		{"int4range", rapid.StringMatching(`[\[(]-?[1-9],[1-9][0-9][\])]|empty|\(,[1-9]\]`)},
		{"int4multirange", rapid.StringMatching(`\{(\[1,[2-9]\),)?\[2[0-9],3[0-9]\)\}|\{\}`)},
		{"tsvector", rapid.StringMatching(`[a-z]{1,5}:[1-9]A? ('[a-z ]{1,4}')?`)},
		{"int2vector", rapid.StringMatching(`([1-9] ){0,3}`)},
		{"oidvector", rapid.StringMatching(`([1-9]{1,3} ){0,3}`)},
		{"mood", moods},
		{"posint", rapid.StringMatching(`[1-9][0-9]{0,5}`)},
		{"hstore", hstore},
		{"pair", pair},
		{"nested", row(array(pair, ','), timestamptz, bytea, hstore, document, rapid.SampledFrom([]string{"t", "f"}), numeric, array(moods, ','))},
	}
	scalars = append(scalars, rareLiterals()...)
	arrays := []literal{{"posints", array(rapid.StringMatching(`[1-9]`), ',')}}
	for _, l := range scalars {
		if !strings.HasSuffix(l.typ, "vector") {
			delimiter := byte(',')
			if l.typ == "box" {
				delimiter = ';'
			}
			arrays = append(arrays, literal{l.typ + "[]", array(l.generator, delimiter)})
		}
	}
	return append(scalars, arrays...)
}

func number[T int16 | int32 | int64 | uint32](g *rapid.Generator[T]) *rapid.Generator[string] {
	return rapid.Map(g, func(n T) string { return fmt.Sprint(n) })
}

func float(bits int) *rapid.Generator[string] {
	if bits == 32 {
		return rapid.Map(rapid.Float32(), func(f float32) string { return strconv.FormatFloat(float64(f), 'g', -1, 32) })
	}
	return rapid.OneOf(
		rapid.Map(rapid.Float64(), func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }),
		rapid.SampledFrom([]string{"NaN", "Infinity", "-Infinity", "-0", "1e-320", "1e21", "0.1"}),
	)
}

func numericLiteral() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`-?[0-9]{1,40}(\.[0-9]{1,40})?`),
		rapid.SampledFrom([]string{"NaN", "Infinity", "-Infinity", "1e-30", "1.50"}),
	)
}

// textLiteral has what needs escapes somewhere more often than chance would.
func textLiteral() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) string { return strings.ReplaceAll(s, "\x00", "") }),
		rapid.StringMatching(`[a ,;"'\\{}()\n\t]{0,8}`),
		rapid.SampledFrom([]string{"NULL", "null", "", " ", "{}", "()", "\u2028", "😀"}),
	)
}

func timeOfDay() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?`), rapid.Just("24:00:00"))
}

func join(parts ...*rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var s string
		for _, p := range parts {
			s += p.Draw(t, "part")
		}
		return s
	})
}

func stampDate() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`([1-9][0-9]{3}|2[0-8][0-9]{4}|0[1-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])`),
		rapid.StringMatching(`0[0-9]{2}[1-9]-0[1-9]-2[0-8] BC`),
		rapid.SampledFrom([]string{"infinity", "-infinity"}),
	)
}

// stamp puts zones behind dates that have a clock.
func stamp(zones ...*rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		date := stampDate().Draw(t, "date")
		if strings.HasSuffix(date, "infinity") {
			return date
		}
		day, era, isBC := strings.Cut(date, " ")
		s := day + " " + rapid.StringMatching(`(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?`).Draw(t, "clock")
		s += rapid.OneOf(zones...).Draw(t, "zone")
		if isBC {
			s += " " + era
		}
		return s
	})
}

func intervalLiteral() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.IntRange(-10_000, 10_000)
		return fmt.Sprintf("%d mons %d days %d.%03d seconds", n.Draw(t, "months"), n.Draw(t, "days"), n.Draw(t, "seconds"), rapid.IntRange(0, 999).Draw(t, "ms"))
	})
}

func boxLiteral() *rapid.Generator[string] {
	return rapid.StringMatching(`\([5-9],[5-9]\),\([0-4],[0-4]\)`)
}

func jsonLiteral() *rapid.Generator[string] {
	scalar := rapid.OneOf(
		numericJSON(),
		rapid.SampledFrom([]string{"null", "true", `""`, `"a\"b"`, `"\u00e9\n"`}),
		rapid.Map(textLiteral(), func(s string) string { b, _ := json.Marshal(s); return string(b) }),
	)
	list := rapid.Map(rapid.SliceOfN(scalar, 0, 3), func(v []string) string { return "[" + strings.Join(v, " ,\n\t") + "]" })
	return rapid.OneOf(scalar, list, rapid.Map(rapid.SliceOfN(list, 0, 3), func(v []string) string {
		members := make([]string, len(v))
		for i := range v {
			members[i] = fmt.Sprintf(`"k%d" : %s`, i%2, v[i]) // a key may come twice
		}
		return "{" + strings.Join(members, ",") + "}"
	}))
}

func numericJSON() *rapid.Generator[string] {
	return rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`)
}

func hstoreLiteral() *rapid.Generator[string] {
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return rapid.Map(rapid.SliceOfN(textLiteral(), 0, 4), func(v []string) string {
		pairs := make([]string, len(v))
		for i, s := range v {
			pairs[i] = quote(s) + "=>" + quote(s)
			if i == 1 {
				pairs[i] = quote(s) + "=>NULL"
			}
		}
		return strings.Join(pairs, ",")
	})
}

// quoted is an element inside of an array or composite.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// array has one or two dimensions, NULLs and sometimes a lower bound.
func array(element *rapid.Generator[string], delimiter byte) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		items := rapid.SliceOfN(element, 0, 3).Draw(t, "items")
		for i := range items {
			items[i] = quoted(items[i])
		}
		if rapid.Bool().Draw(t, "null") {
			items = append(items, "NULL")
		}
		s := "{" + strings.Join(items, string(delimiter)) + "}"
		if len(items) == 0 {
			return s
		}
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 0:
			return fmt.Sprintf("[-1:%d]=%s", len(items)-2, s)
		case 1:
			return "{" + s + string(delimiter) + s + "}"
		}
		return s
	})
}

// row is a composite of the given fields, some of them null.
func row(fields ...*rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		values := make([]string, len(fields))
		for i, f := range fields {
			if rapid.IntRange(0, 3).Draw(t, "null") > 0 {
				values[i] = quoted(f.Draw(t, "field"))
			}
		}
		return "(" + strings.Join(values, ",") + ")"
	})
}
