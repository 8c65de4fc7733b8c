package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// report is all tables, with a column or more for each checkout.
func report(all []*checkout, largest int) string {
	var b strings.Builder
	for i, t := range []table{
		largestTypes(all, largest),
		packageSizes(all),
		referencesBack(all),
		beyond(all, "fields of types with over %d", manyFields, func(c *checkout) map[string]int {
			return c.typesWith(func(s structType) int { return s.fields }, manyFields)
		}),
		beyond(all, "files with methods of a type, over %d", manyFiles, func(c *checkout) map[string]int {
			return c.typesWith(func(s structType) int { return s.files }, manyFiles)
		}),
		beyond(all, "lines of functions with over %d", longFunction, func(c *checkout) map[string]int { return c.functions }),
		beyond(all, "lines of files with over %d", longFile, func(c *checkout) map[string]int { return c.files }),
	} {
		if i > 0 {
			b.WriteString("\n")
		}
		t.write(&b)
	}
	return b.String()
}

// table is a Markdown table; the first cell of a row names it.
type table struct {
	header []string
	rows   [][]string
}

func (t table) write(b *strings.Builder) {
	line := func(cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.header)
	line(slices.Repeat([]string{"---"}, len(t.header)))
	for _, row := range t.rows {
		line(row)
	}
}

// tableOf has a column for each checkout.
func tableOf(all []*checkout, title string) *table {
	t := &table{header: []string{title}}
	for _, c := range all {
		t.header = append(t.header, c.name)
	}
	return t
}

func largestTypes(all []*checkout, largest int) table {
	t := tableOf(all, "largest types")
	for i := range largest {
		row := []string{fmt.Sprint(i + 1)}
		for _, c := range all {
			text := ""
			if i < len(c.types) {
				text = c.types[i].String()
			}
			row = append(row, text)
		}
		t.rows = append(t.rows, row)
	}
	return *t
}

func (s structType) String() string {
	embedded := ""
	if s.embedded > 0 {
		embedded = fmt.Sprintf(" (and %d embedded)", s.embedded)
	}
	return fmt.Sprintf("`%s`: %d fields%s, %d methods in %d files", s.name, s.fields, embedded, s.methods, s.files)
}

func packageSizes(all []*checkout) table {
	t := tableOf(all, "lines of code (and of tests)")
	sums := make([]size, len(all))
	for _, name := range names(all, func(c *checkout) map[string]size { return c.packages }) {
		row := []string{"`" + name + "`"}
		for i, c := range all {
			s := c.packages[name]
			sums[i].code, sums[i].tests = sums[i].code+s.code, sums[i].tests+s.tests
			row = append(row, s.String())
		}
		t.rows = append(t.rows, row)
	}
	sum := []string{"all"}
	for _, s := range sums {
		sum = append(sum, s.String())
	}
	t.rows = append(t.rows, sum)
	return *t
}

func (s size) String() string {
	switch {
	case s == size{}:
		return ""
	case s.tests == 0:
		return fmt.Sprint(s.code)
	}
	return fmt.Sprintf("%d (%d)", s.code, s.tests)
}

func referencesBack(all []*checkout) table {
	t := tableOf(all, "references between files")
	for _, name := range names(all, func(c *checkout) map[string]references { return c.references }) {
		row := []string{"`" + name + "`"}
		for _, c := range all {
			row = append(row, c.references[name].String())
		}
		t.rows = append(t.rows, row)
	}
	return *t
}

func (r references) String() string {
	if r.all == 0 {
		return ""
	}
	percent := func(n int) float64 { return 100 * float64(n) / float64(r.all) }
	return fmt.Sprintf("%d, %.0f %% back up, %.0f %% in circles", r.all, percent(r.back), percent(r.circular))
}

// beyond lists what has more of something than it should, and how many do.
func beyond(all []*checkout, title string, limit int, of func(*checkout) map[string]int) table {
	t := tableOf(all, fmt.Sprintf(title, limit))
	count := []string{"how many"}
	for _, c := range all {
		count = append(count, fmt.Sprint(len(of(c))))
	}
	t.rows = append(t.rows, count)
	for _, name := range names(all, of) {
		row := []string{"`" + name + "`"}
		for _, c := range all {
			text := ""
			if n := of(c)[name]; n > 0 {
				text = fmt.Sprint(n)
			}
			row = append(row, text)
		}
		t.rows = append(t.rows, row)
	}
	return *t
}

// names are those of all checkouts, sorted.
func names[V any](all []*checkout, of func(*checkout) map[string]V) []string {
	found := map[string]bool{}
	for _, c := range all {
		for name := range of(c) {
			found[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), cmp.Compare[string])
}
