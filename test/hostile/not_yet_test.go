package hostile

import "testing"

func TestNotYetNamesAttacks(t *testing.T) {
	for name := range notYet {
		if _, err := find(name); err != nil {
			t.Errorf("notYet: %v", err)
		}
	}
}
