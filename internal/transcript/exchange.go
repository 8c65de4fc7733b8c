package transcript

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Exchange is one recorded HTTP request and its answer.
type Exchange struct {
	Section string
	Request ExchangeRequest
	Status  int
	Headers map[string]string
	Body    json.RawMessage // a JSON string where the answer was not JSON
}

// ExchangeRequest is the request of an Exchange. Headers are set beside those that
// every client sends, Without are taken from these.
type ExchangeRequest struct {
	Method, Path, Upgrade string
	Headers               map[string]string
	Without               []string
}

// ReadExchanges reads the HTTP exchanges of a file, with its placeholders for
// tokens replaced by tokens that are made now and signed with secret. None is a
// failure.
func ReadExchanges(t testing.TB, path, secret string) (all []Exchange) {
	t.Helper()
	recording := Read(t, path)
	tokens := map[string]string{}
	for _, token := range recording.Tokens {
		made, err := token.Make(secret, time.Now())
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
			e := Exchange{Section: s.Name}
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

// Text is the recorded body as it was on the wire.
func (e Exchange) Text() string {
	var text string
	if json.Unmarshal(e.Body, &text) == nil {
		return text
	}
	return string(e.Body)
}
