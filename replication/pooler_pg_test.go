package replication

import (
	"strings"
	"testing"
)

func TestAPoolerThatSwallowsReplicationIsRecognised(t *testing.T) {
	t.Parallel()
	db := orders(t)
	url := db.Pooler()
	err := runReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = url }).wait()
	if want := "database-url leads to a pooler that does not pass the replication protocol: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Run = %v; want %s…", err, want)
	}
}
