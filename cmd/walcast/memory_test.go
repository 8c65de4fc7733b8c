package main

import (
	"testing"

	"walcast/internal/memory"
)

func TestMemoryLimitFollowsFromTheSettings(t *testing.T) {
	for _, test := range []struct {
		name  string
		env   string
		flags []string
		want  int64
	}{
		{"by default", "", nil, 240 << 20},
		{"a larger log", "", []string{"--log-size=1GiB"}, 1200 << 20},
		{"more of everything", "", []string{"--log-size=128MiB", "--queues-size=128MiB", "--snapshot-memory=128MiB"}, (240 + 3*64) << 20},
		{"a smaller log, which leaves room to others", "", []string{"--log-size=16MiB"}, 240 << 20},
		{"GOMEMLIMIT", "1GiB", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cleared(t)
			t.Setenv("GOMEMLIMIT", test.env)
			config, err := parse(t, needed(test.flags...)...)
			if err != nil {
				t.Fatal(err)
			}
			got := memoryLimit(config)
			if test.want == 0 {
				if got != nil {
					t.Errorf("limit = %+v; want that of Go", got)
				}
				return
			}
			if got == nil || got.Base != test.want {
				t.Errorf("limit = %+v; want a base of %d", got, test.want)
			}
			if most := (memory.Limit{Base: got.Base, Most: 100 << 20}).For(memory.Use{}); most != 100<<20 {
				t.Errorf("in a container that has less: %d; want what that has", most)
			}
		})
	}
}
