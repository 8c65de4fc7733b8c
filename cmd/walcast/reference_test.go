package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"walcast/internal/await"
	"walcast/internal/golden"
)

// serveFlags are the settings of serve, in the order of the help.
func serveFlags(t *testing.T) []*kong.Flag {
	t.Helper()
	var cli commands
	parser, err := newParser(&cli, terminal{out: await.NewOutput(), err: await.NewOutput()}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range parser.Model.Leaves(true) {
		if node.Name == "serve" {
			return node.Flags
		}
	}
	t.Fatal("no command serve")
	return nil
}

func TestReadmeListsEverySetting(t *testing.T) {
	var table strings.Builder
	table.WriteString("| setting | default | what it does |\n| --- | --- | --- |\n")
	for _, f := range serveFlags(t) {
		if f.Name != "help" {
			fmt.Fprintf(&table, "| `%s` | %s | %s |\n", f.Name, shownDefault(f), cell(f.Help))
		}
	}
	golden.CompareSection(t, "../../README.md", "settings", table.String())
}

func TestReferenceListsEverySetting(t *testing.T) {
	var text strings.Builder
	group := ""
	for _, f := range serveFlags(t) {
		if f.Name == "help" || f.Name == "config" {
			continue
		}
		if f.Group != nil && f.Group.Title != group {
			group = f.Group.Title
			fmt.Fprintf(&text, "\n### %s\n\n| flag | environment | default | what it does |\n| --- | --- | --- | --- |\n", group)
		}
		fmt.Fprintf(&text, "| `--%s` | `%s` | %s | %s |\n", f.Name, strings.Join(f.Envs, "`, `"), shownDefault(f), cell(f.Help))
	}
	golden.CompareSection(t, "../../docs/configuration.md", "settings", text.String())
}

func TestEverySettingSaysWhatItDoes(t *testing.T) {
	for _, f := range serveFlags(t) {
		if f.Help == "" || !strings.HasSuffix(f.Help, ".") {
			t.Errorf("--%s has the help %q; want a sentence", f.Name, f.Help)
		}
	}
}

func shownDefault(f *kong.Flag) string {
	switch {
	case f.HasDefault:
		return "`" + f.Default + "`"
	case f.IsBool():
		return "`false`"
	default:
		return ""
	}
}

// cell is text that cannot end a table's cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
