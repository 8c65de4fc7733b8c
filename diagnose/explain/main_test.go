package explain

import (
	"testing"

	"go.uber.org/goleak"

	"walcast/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }
