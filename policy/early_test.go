package policy

import (
	"testing"

	"walcast/replication/wal"
)

func TestWhatIsOfNoTransactionIsShown(t *testing.T) {
	s, err := wal.ParseSnapshot("100:100:")
	if err != nil || !shows(s, 0) || !shows(s, 99) || shows(s, 100) {
		t.Errorf("%v, %v shows 0, 99, 100: %t, %t, %t; want the first two", s, err, shows(s, 0), shows(s, 99), shows(s, 100))
	}
}
