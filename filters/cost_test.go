package filters

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"walcast/replication/wal"
)

// TestFiltersTakeNoMoreThanTheirCost fills an index with many filters of one
// kind and has it match a row.
func TestFiltersTakeNoMoreThanTheirCost(t *testing.T) {
	for name, filter := range map[string]func(i int) string{
		"eq":                    func(i int) string { return fmt.Sprintf("id=eq.%d", i) },
		"range":                 func(i int) string { return fmt.Sprintf("id=gt.%d,id=lt.%d", i, i+10) },
		"neq":                   func(i int) string { return fmt.Sprintf("title=neq.%d", i) },
		"long text":             func(i int) string { return fmt.Sprintf("title=eq.%d%s", i, strings.Repeat("x", 5000)) },
		"text in escapes":       func(i int) string { return fmt.Sprintf("id=eq.1,title=neq.%d%s", i, strings.Repeat("\x01", 5000)) },
		"in":                    func(i int) string { return fmt.Sprintf("id=in.(%d%s)", i, strings.Repeat(",1", 98)) },
		"distinct in":           func(i int) string { return fmt.Sprintf("id=in.(%s)", sequence(i*100, 99)) },
		"in beside another":     func(i int) string { return fmt.Sprintf("id=eq.1,title=in.(%s)", sequence(i*100, 99)) },
		"like":                  func(i int) string { return fmt.Sprintf("title=like.%%%d%s%%", i, strings.Repeat("ab", 2000)) },
		"like with many pieces": func(i int) string { return fmt.Sprintf("title=ilike.%%%d%s%%", i, strings.Repeat("%a", 2000)) },
		"match":                 func(i int) string { return fmt.Sprintf("title=match.\"^%d(a|b){1,20}$\"", i) },
		"array":                 func(i int) string { return fmt.Sprintf("tags=cs.{%d%s}", i, strings.Repeat(",1", 2000)) },
		"document":              func(i int) string { return fmt.Sprintf("data=cs.[%d%s]", i, strings.Repeat(",1", 2000)) },
		"document of objects":   func(i int) string { return fmt.Sprintf(`data=cd.[%d%s]`, i, strings.Repeat(`,{"a":1}`, 500)) },
		"equal documents":       func(i int) string { return fmt.Sprintf(`data=eq."[%d%s]"`, i, strings.Repeat(`,{\"a\":1}`, 500)) },
		"path":                  func(i int) string { return fmt.Sprintf("data->a->%d->>b=eq.x", i) },
		"long path":             func(i int) string { return fmt.Sprintf("data%s->%d=eq.1", strings.Repeat("->a", 30), i) },
		"group": func(i int) string {
			return fmt.Sprintf("or=(id.eq.%d,title.eq.%d,and(id.gt.1,title.like.%d%%))", i, i, i)
		},
		"many conditions": func(i int) string { return fmt.Sprintf("id=neq.%d%s", i, strings.Repeat(",id=neq.1", 200)) },
		"asked":           func(i int) string { return fmt.Sprintf("shape=eq.(%d,2)", i) },
	} {
		t.Run(name, func(t *testing.T) {
			const n = 100
			said, rel := 0, rooms()
			ix := NewIndex[int](utc())
			change := &wal.Change{Operation: wal.Insert, Relation: rel, New: rowOf("1", "1", "x", "1", "", "t", "ok", `{"a": 1}`, "{a}", "(1,2)")}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range n {
				s := selecting(filter(i))
				said += s.Filter.Cost().Bytes
				ix.Add(s, i)
			}
			ix.Match(change, func(int, Truth) {})
			runtime.GC()
			runtime.ReadMemStats(&after)
			took := int(after.HeapAlloc) - int(before.HeapAlloc)
			t.Logf("%d bytes each of a text of %d; said are %d", took/n, len(filter(0)), said/n)
			if took > said {
				t.Errorf("%d filters take %d bytes; Cost says %d", n, took, said)
			}
			runtime.KeepAlive(ix)
		})
	}
}

func sequence(from, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(from+i))
	}
	return strings.Join(list, ",")
}

func TestStepsOfACostFollowWhatIsDone(t *testing.T) {
	for text, want := range map[string]int{
		"":                            0,
		"id=eq.1":                     1,
		"id=eq.1,title=like.a%":       1 + 3,
		"title=match.^a.c$":           1 + 4,
		"title=match.(?=a)":           1, // Postgres is asked
		"data->a->>b=eq.1":            3,
		"tags=cs.{a}":                 9,
		"or=(id.eq.1,title.match.ab)": 1 + 1 + 5, // the group, and two
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Cost().Steps; got != want {
			t.Errorf("%q takes %d steps for each byte; want %d", text, got, want)
		}
	}
}

func TestStepsPerByteAreWhatNoIndexSaves(t *testing.T) {
	for text, want := range map[string]int{
		"":                                  0,
		"id=eq.1":                           0,
		"id=gt.1,title=neq.a":               0,
		"title=like.%a":                     3,
		"title=not.ilike.%a,title=match.ab": 3 + 5,
		"id=eq.1,title=like.%a":             0,
		"id=not.in.(1,2),title=like.%a":     3,
		"tags=cs.{a}":                       9,
		"or=(id.eq.1,title.match.ab)":       5,
		"or=(id.eq.1,id.gt.5)":              0,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.StepsPerByte(); got != want {
			t.Errorf("%q takes %d steps a byte; want %d", text, got, want)
		}
	}
}
