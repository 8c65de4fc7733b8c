// Command structure prints figures of a checkout's structure as Markdown tables:
//
//	structure [-n 10] NAME=FOLDER…
//
// Each checkout is a column with its name; two of them compare. Generated files
// and test files count only where the table says tests.
//
// The tables:
//
//   - The largest types: the struct types with the most fields and methods
//     together. A method counts where it is declared, not where it is promoted;
//     an embedded struct counts as one field, and the fields that come with it
//     are told apart. Files are those that declare a method of the type.
//   - Packages: lines of code, which are lines with more than a comment on them.
//   - References between files: a reference is a name in one file of a package
//     that means a declaration in another file of the same package: a function,
//     type, variable, constant, method or field. It is in a circle when the other
//     file refers back, directly or by way of more files. The files of a package
//     are put in the order in which the fewest references point from a later file
//     to an earlier one; those that still do run back up. A package that can be
//     read from its first file to its last has none of either. The order is found
//     by moving one file at a time to its best place until no move helps, from
//     three starts.
//   - Types with over a dozen fields, an embedded struct being one, and types with
//     methods in over four files.
//   - Long functions: over 50 lines from the func to its brace, comments and
//     blank lines included.
//   - Long files: over 400 lines, comments and blank lines included.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	largest := flag.Int("n", 10, "how many of the largest types")
	flag.Parse()
	if err := run(os.Stdout, *largest, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "structure:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, largest int, args []string) error {
	if len(args) == 0 {
		args = []string{"now=."}
	}
	var all []*checkout
	for _, arg := range args {
		name, folder, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q: want NAME=FOLDER", arg)
		}
		c, err := load(name, folder)
		if err != nil {
			return fmt.Errorf("load %s: %w", folder, err)
		}
		all = append(all, c)
	}
	_, err := io.WriteString(w, report(all, largest))
	return err
}
