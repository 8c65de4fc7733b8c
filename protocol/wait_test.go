package protocol

import (
	"strings"
	"testing"
	"time"
)

func TestJoinsThatWaitForTheirBindings(t *testing.T) {
	for _, c := range []struct {
		options string
		wait    time.Duration
		warning string
	}{
		{`null`, 0, ""},
		{`{}`, 0, ""},
		{`{"wait":true}`, 15 * time.Second, ""},
		{`{"wait":"TRUE","timeout":2500}`, 2500 * time.Millisecond, ""},
		{`{"wait":true,"timeout":null}`, 15 * time.Second, ""},
		{`{"wait":1}`, 0, "warning: config.postgres_changes_options.wait: unable to parse, expected boolean; false is used"},
		{`{"wait":true,"timeout":0}`, 15 * time.Second, "warning: config.postgres_changes_options.timeout: unable to parse, expected milliseconds; 15000 is used"},
		{`{"wait":true,"timeout":1e3}`, 15 * time.Second, "warning: config.postgres_changes_options.timeout: unable to parse, expected milliseconds; 15000 is used"},
		{`[1]`, 0, "warning: config.postgres_changes_options: unable to parse, expected a map; defaults are used"},
	} {
		j, err := ParseJoin("room", []byte(`{"config":{"postgres_changes_options":`+c.options+`}}`))
		if err != nil {
			t.Errorf("%s: %v", c.options, err)
			continue
		}
		if got := strings.Join(j.Warnings, "; "); j.Wait != c.wait || got != c.warning {
			t.Errorf("%s: wait %s, warnings %q; want %s, %q", c.options, j.Wait, got, c.wait, c.warning)
		}
	}
}
