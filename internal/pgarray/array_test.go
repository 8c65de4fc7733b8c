package pgarray

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func elements(texts ...string) []Element {
	var list []Element
	for _, text := range texts {
		list = append(list, Element{Text: text})
	}
	return list
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Array{
		"{}":                   {},
		" { } ":                {},
		"{1,2}":                {elements("1", "2"), 1, 2},
		"{ a b , c }":          {elements("a b", "c"), 1, 2},
		`{"a,b","c\"d\\"," "}`: {elements("a,b", `c"d\`, " "), 1, 3},
		`{a\,b,\ a\ ,n\ull}`:   {elements("a,b", " a ", "null"), 1, 3},
		`{NULL,"NULL",nUll}`:   {[]Element{{Null: true}, {Text: "NULL"}, {Null: true}}, 1, 3},
		`{""}`:                 {elements(""), 1, 1},
		"{{1,2},{3,4},{5,6}}":  {elements("1", "2", "3", "4", "5", "6"), 2, 3},
		"{{{{{{x}}}}}}":        {elements("x"), 6, 1},
	} {
		got, err := Parse(text, ',')
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Parse(%s): %v (-want +got):\n%s", text, err, diff)
		}
	}
	if got, err := Parse("{(1,1);(2,2)}", ';'); err != nil || len(got.Elements) != 2 {
		t.Errorf("Parse with another delimiter = %+v, %v; want two elements", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"":                ErrMalformed,
		"1":               ErrMalformed,
		"{":               ErrMalformed,
		"{1":              ErrMalformed,
		"{1}}":            ErrMalformed,
		"{1} x":           ErrMalformed,
		"{,1}":            ErrMalformed,
		"{1,,2}":          ErrMalformed,
		"{1,}":            ErrTrailingDelimiter,
		"{1,{2}}":         ErrMalformed,
		"{{1},2}":         ErrMalformed,
		"{{1},{2,3}}":     ErrMalformed,
		"{{}}":            ErrMalformed,
		"{{{{{{{x}}}}}}}": ErrMalformed,
		`{a"b}`:           ErrMalformed,
		`{"a" b}`:         ErrMalformed,
		`{"a""b"}`:        ErrMalformed,
		`{"a}`:            ErrMalformed,
		`{a\`:             ErrMalformed,
		"[0:1]={a,b}":     ErrMalformed,
	} {
		if got, err := Parse(text, ','); !errors.Is(err, want) {
			t.Errorf("Parse(%s) = %+v, %v; want %v", text, got, err, want)
		}
	}
}
