package datum

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// simpleContains is jsonb's @> by its definition.
func simpleContains(d, o any, top bool) bool {
	items, isArray := d.([]any)
	has := func(want any) bool {
		return slices.ContainsFunc(items, func(item any) bool { return simpleContains(item, want, false) })
	}
	switch o := o.(type) {
	case map[string]any:
		fields, ok := d.(map[string]any)
		for name, want := range o {
			got, has := fields[name]
			ok = ok && has && simpleContains(got, want, false)
		}
		return ok
	case []any:
		return isArray && !slices.ContainsFunc(o, func(want any) bool { return !has(want) })
	}
	return isArray && top && has(o) || !isArray && reflect.DeepEqual(d, o)
}

// documents have many values that are equal, and some long arrays.
func documents(depth int) *rapid.Generator[any] {
	scalars := rapid.SampledFrom([]any{nil, true, 1.0, 2.0, "a", "b", ""})
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 4).Draw(t, "kind")
		switch {
		case depth == 0 || kind == 0:
			return scalars.Draw(t, "scalar")
		case kind == 1:
			object := map[string]any{}
			for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "aa", ""}), 0, 3).Draw(t, "names") {
				object[name] = documents(depth-1).Draw(t, "value")
			}
			return object
		case kind == 2:
			array := []any{}
			for i := range rapid.IntRange(0, 40).Draw(t, "length") {
				array = append(array, float64(i))
			}
			return array
		}
		array := []any{}
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			array = append(array, documents(depth-1).Draw(t, "item"))
		}
		return array
	})
}

func TestDocumentsContainWhatTheDefinitionSays(t *testing.T) {
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		values := []any{documents(3).Draw(t, "a"), documents(2).Draw(t, "b")}
		if array, ok := values[0].([]any); ok && len(array) > 0 { // or it would seldom contain anything
			values[1] = array[:rapid.IntRange(0, len(array)).Draw(t, "cut")]
		}
		var read [2]Value
		for i, v := range values {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if read[i], err = (jsonb{}).In(string(text)); err != nil {
				t.Fatal(err)
			}
		}
		want := simpleContains(values[0], values[1], true)
		got, certain := jsonb{}.Contains(read[0], read[1])
		if want {
			held++
		}
		if !certain || got != want {
			t.Errorf("%v @> %v = %t, certain: %t; want %t", values[0], values[1], got, certain, want)
		}
	})
	if held == 0 {
		t.Error("no document contained another")
	}
}

// manyArrays are [[0,-1],[1,-1],…], which contain each other's items only when
// the numbers are the same.
func manyArrays(from, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("[%d,-1]", from+i))
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestContainmentThatTakesLongIsNotCertain(t *testing.T) {
	read := func(text string) Value {
		v, err := jsonb{}.In(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, n := range []int{1_000, 10_000} {
		a, b := read(manyArrays(0, n)), read(manyArrays(n/2, n/2))
		if _, certain := (jsonb{}).Contains(a, b); certain {
			t.Errorf("%d arrays are compared with %d others, each with each", n, n/2)
		}
		if got, certain := (jsonb{}).Contains(a, read("[[5,-1]]")); !got || !certain {
			t.Errorf("%d arrays contain one of them: %t, certain: %t; want both", n, got, certain)
		}
	}
}
