package conformance

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"walcast/internal/transcript"
)

// What was too long to be recorded is one letter or byte repeated, and can be
// made again: of text frames the recording has the start and the size, of
// binary frames and of strings within others the size, too.

var (
	padded = regexp.MustCompile(`^(.*":")x+$`)
	hidden = regexp.MustCompile(`<elided: (\d+) bytes in all>`)
)

// elided makes a text frame that is not in the recording.
func (p *player) elided(l transcript.Line) []byte {
	var long struct{ Elided, Starts string }
	var size int
	if err := json.Unmarshal(l.Frame, &long); err != nil {
		p.Fatalf("send %.200s: %v", l.Frame, err)
	}
	start := padded.FindStringSubmatch(long.Starts)
	if _, err := fmt.Sscanf(long.Elided, "text frame of %d bytes", &size); err != nil || start == nil {
		p.Fatalf("send %.200s: the recording leaves it out", l.Frame)
	}
	end := `"` + strings.Repeat("}", strings.Count(start[1], "{")) + "]"
	if l.Vsn == "1.0.0" {
		end = `"},"ref":"1"}`
	}
	return []byte(start[1] + strings.Repeat("x", size-len(start[1])-len(end)) + end)
}

// binaryInFull reads the hex of a binary frame or body; where it is cut off, its
// last byte goes on, and a JSON payload gets its end.
func binaryInFull(text string) ([]byte, error) {
	start, rest, cut := strings.Cut(text, "<elided: ")
	data, err := hex.DecodeString(start)
	if err != nil || !cut {
		return data, err
	}
	var size int
	if _, err := fmt.Sscanf(rest, "%d bytes in all>", &size); err != nil {
		return nil, err
	}
	var end []byte
	if bytes.Contains(data, []byte(`{"s":"`)) {
		end = []byte(`"}`)
	}
	return append(append(data, bytes.Repeat(data[len(data)-1:], size-len(data)-len(end))...), end...), nil
}

// inFull puts what was left out of JSON strings back.
func inFull(text string) string {
	for {
		at := hidden.FindStringSubmatchIndex(text)
		if at == nil {
			return text
		}
		var size int
		fmt.Sscan(text[at[2]:at[3]], &size) // digits
		from := strings.LastIndexByte(text[:at[0]], '"') + 1
		to := at[1] + strings.IndexByte(text[at[1]:], '"')
		missing := size - (at[0] - from) - (to - at[1])
		text = text[:at[0]] + strings.Repeat(text[at[0]-1:at[0]], missing) + text[at[1]:]
	}
}
