package main

import (
	"strings"
	"testing"
)

// TestATokenMayComeFromStandardInput, where no command line shows it.
func TestATokenMayComeFromStandardInput(t *testing.T) {
	c := explainCmd{askedSubject: askedSubject{TokenFile: "-"}}
	if got, err := c.token(strings.NewReader(" a.b.c\n")); got != "a.b.c" || err != nil {
		t.Errorf("the token is %q, %v", got, err)
	}
	if got, err := c.token(strings.NewReader("\n")); err == nil || err.Error() != "--token-file: standard input is empty" {
		t.Errorf("of an empty input the token is %q, %v", got, err)
	}
}
