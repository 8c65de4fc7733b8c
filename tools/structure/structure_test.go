package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportOfASmallModule(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module small\n\ngo 1.26\n",
		"shop/shop.go": `// Package shop sells.
package shop

// Shop is a place.
type Shop struct {
	till
	name string
}

func (s *Shop) Open() { s.count = 1; s.greet() }
`,
		"shop/till.go":      "package shop\n\ntype till struct{ count, sum int }\n\nvar text = `of\ntwo lines`\n",
		"shop/greet.go":     "package shop\n\nfunc (s *Shop) greet() { println(s.name, text) }\n",
		"shop/shop_test.go": "package shop\n\nvar _ Shop\n",
		"long/long.go":      "package long\n\nfunc Long() {\n" + strings.Repeat("\tprintln()\n", 400) + "}\n",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got strings.Builder
	if err := run(&got, 1, []string{"before=" + folder, "after=" + folder}); err != nil {
		t.Fatal(err)
	}
	// shop.go refers to till, count and greet, greet.go to Shop, name and text.
	// In the order greet.go, shop.go, till.go one of them runs back up.
	shop := "6, 17 % back up, 50 % in circles"
	want := strings.ReplaceAll(strings.ReplaceAll("| largest types | before | after |\n| --- | --- | --- |\n| 1 | SHOP | SHOP |\n\n"+
		"| lines of code (and of tests) | before | after |\n| --- | --- | --- |\n| `long` | 403 | 403 |\n| `shop` | 12 (2) | 12 (2) |\n| all | 415 (2) | 415 (2) |\n\n"+
		"| references between files | before | after |\n| --- | --- | --- |\n| `shop` | REFERENCES | REFERENCES |\n\n"+
		"| fields of types with over 12 | before | after |\n| --- | --- | --- |\n| how many | 0 | 0 |\n\n"+
		"| files with methods of a type, over 4 | before | after |\n| --- | --- | --- |\n| how many | 0 | 0 |\n\n"+
		"| lines of functions with over 50 | before | after |\n| --- | --- | --- |\n| how many | 1 | 1 |\n| `long.Long` | 402 | 402 |\n\n"+
		"| lines of files with over 400 | before | after |\n| --- | --- | --- |\n| how many | 1 | 1 |\n| `long/long.go` | 404 | 404 |\n",
		"SHOP", "`shop.Shop`: 2 fields (and 2 embedded), 2 methods in 2 files"), "REFERENCES", shop)
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

func TestOrderHasTheFewestReferencesBack(t *testing.T) {
	for _, c := range []struct {
		name           string
		references     [][3]int // from, to, how often
		back, circular int
	}{
		{"a line, the wrong way round", [][3]int{{3, 2, 1}, {2, 1, 5}, {1, 0, 2}}, 0, 0},
		{"two that refer to each other", [][3]int{{0, 1, 3}, {1, 0, 2}}, 2, 5},
		{"a circle of four", [][3]int{{0, 1, 4}, {1, 2, 4}, {2, 3, 1}, {3, 0, 4}}, 1, 13},
		{"a circle and one who refers to it", [][3]int{{0, 1, 1}, {1, 2, 3}, {2, 1, 4}, {0, 3, 1}}, 3, 7},
	} {
		g := newGraph(4)
		for _, r := range c.references {
			for range r[2] {
				g.add(r[0], r[1])
			}
		}
		if back, circular := g.back(g.order()), g.circular(); back != c.back || circular != c.circular {
			t.Errorf("%s: %d back, %d circular; want %d and %d", c.name, back, circular, c.back, c.circular)
		}
	}
}
