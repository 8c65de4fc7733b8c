// Command find prints the folder of the Postgres that devdb would start, or
// says how to install one. scripts/postgres.sh uses it, so that the two look
// in the same places.
package main

import (
	"context"
	"fmt"
	"os"

	"walcast/internal/devdb"
)

func main() {
	in, err := devdb.Find(context.Background(), "", 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(in.BinDir)
}
