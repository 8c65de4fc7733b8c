package channels

import (
	"fmt"
	"strings"
	"testing"
)

// TestChannelsThatCostTooMuchAreDedicated joins with what a lane should not have of
// one channel, or of one session.
func TestChannelsThatCostTooMuchAreDedicated(t *testing.T) {
	some := func(n int, filter string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"event":"*","schema":"public","table":"t","filter":"`+filter+`"}`, i))
		}
		return `{"postgres_changes":[` + strings.Join(all, ",") + `]}`
	}
	many, patterns := some(laneBindings, "id=eq.%d"), some(laneStepsTogether/3, "body=like.%%%d%%")
	for name, c := range map[string]struct {
		joins []string
		want  float64
	}{
		"as many as a channel may have":          {[]string{many}, 0},
		"more than a channel may have":           {[]string{some(laneBindings+1, "id=eq.%d")}, 1},
		"more than a session may have, in two":   {append(repeated(laneBindingsTogether/laneBindings, many), many, many), 2},
		"patterns":                               {[]string{patterns}, 0},
		"too many patterns, the rest without":    {[]string{patterns, patterns, many, patterns}, 2},
		"patterns that few rows are tried with":  {[]string{some(laneBindings, "id=eq.1,body=like.%%%d%%")}, 0},
		"no bindings beside those of a full one": {append(repeated(laneBindingsTogether/laneBindings, many), `{}`), 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, DefaultConfig())
			one, other := f.connect("anon", ""), f.connect("anon", "")
			for i, config := range c.joins {
				one.join(fmt.Sprintf("realtime:%d", i), config)
			}
			if got := f.gauge("walcast_channels_dedicated"); got != c.want {
				t.Errorf("%v channels are dedicated; want %v", got, c.want)
			}
			other.join("realtime:0", many)
			if got := f.gauge("walcast_channels_dedicated"); got != c.want {
				t.Errorf("%v channels are dedicated when another session has joined; want %v", got, c.want)
			}
			one.session.Close()
			if got := f.gauge("walcast_channels_dedicated"); got != 0 {
				t.Errorf("%v channels are dedicated when the session has ended; want 0", got)
			}
		})
	}
}

func repeated(n int, config string) (all []string) {
	for range n {
		all = append(all, config)
	}
	return all
}
