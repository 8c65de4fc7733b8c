// Command find prints the folder of the Postgres that devdb would start, or
// says how to install one; "find 16" asks for that major version.
// scripts/postgres.sh uses it, so that the two look in the same places.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"walcast/internal/devdb"
)

func main() {
	in, err := find(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(in.BinDir)
}

func find(args []string) (devdb.Installation, error) {
	major := 0
	if len(args) > 0 {
		var err error
		if major, err = strconv.Atoi(args[0]); err != nil {
			return devdb.Installation{}, fmt.Errorf("want a major version such as 16, got %q", args[0])
		}
	}
	return devdb.Find(context.Background(), "", major)
}
