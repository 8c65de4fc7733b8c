package pattern

import (
	"testing"

	"go.uber.org/goleak"

	"walcast/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// unshared compiles each expression anew.
var unshared *Expressions
