package view

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"walcast/internal/devdb"
	_ "walcast/internal/property"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// Property tests draw less than usual: each check takes a Postgres and its clients. More
// are drawn with go test -rapid.checks=500 -rapid.seed=0.
func init() {
	_ = flag.Set("rapid.checks", "40") // the flag exists
}
