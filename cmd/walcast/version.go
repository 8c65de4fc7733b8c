package main

import (
	"fmt"
	"runtime"
)

// version is stamped in by the Makefile: -ldflags "-X main.version=…".
var version = "dev"

type versionCmd struct{}

// Run prints what this binary is.
func (versionCmd) Run(term terminal) error {
	_, err := fmt.Fprintf(term.out, "walcast %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
