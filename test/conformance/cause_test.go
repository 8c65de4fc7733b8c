package conformance

import (
	"slices"
	"strings"

	"walcast/internal/transcript"
)

// causal is how much later than what it caused something may be recorded that is
// recorded when it is done: requests, statements and closes.
const causal = 100

// causesFirst puts each HTTP request, each statement and each close by a client
// before the frames that it may have caused. Replies are to something else.
func causesFirst(lines []transcript.Line) []transcript.Line {
	lines = slices.Clone(lines)
	for i, l := range lines {
		if l.Dir != "http" && l.Dir != "sql" && !(l.Dir == "close" && strings.Contains(string(l.Frame), `"by":"client"`)) {
			continue
		}
		at := i
		for at > 0 && lines[at-1].Dir == "<" && lines[at-1].T > l.T-causal && !strings.Contains(string(lines[at-1].Frame), `"phx_reply"`) {
			at--
		}
		copy(lines[at+1:i+1], lines[at:i])
		lines[at] = l
	}
	return lines
}
