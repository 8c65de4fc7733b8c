package gateway

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walcast/internal/transcript"
)

// exchange is one HTTP request of a transcript and its answer.
type exchange struct {
	Section string
	Request struct {
		Method, Path, Upgrade string
		Headers               map[string]string
		Without               []string
	}
	Status  int
	Headers map[string]string
	Body    json.RawMessage // a JSON string where the answer was not JSON
}

// readExchanges reads the HTTP exchanges of a transcript, with its placeholders
// for tokens replaced by tokens made now.
func readExchanges(t *testing.T, path string) (all []exchange) {
	t.Helper()
	recording := transcript.Read(t, path)
	tokens := map[string]string{}
	for _, token := range recording.Tokens {
		made, err := token.Make(testSecret, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		tokens[token.Name] = made
	}
	for _, s := range recording.Sections {
		for _, l := range s.Lines {
			if l.Dir != "http" {
				continue
			}
			e := exchange{Section: s.Name}
			if err := json.Unmarshal([]byte(fill(string(l.Frame), tokens)), &e); err != nil {
				t.Fatalf("%s: %v in %s", path, err, l.Frame)
			}
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s: no HTTP exchange in it", path)
	}
	return all
}

// fill puts tokens in the place of their names.
func fill(text string, tokens map[string]string) string {
	for name, token := range tokens {
		text = strings.ReplaceAll(text, name, token)
	}
	return text
}
