package presence

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// Whatever a client tracks, what others get is an object with our ref and the
// client's own fields as encoding/json reads them.
func FuzzMeta(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"a":1}`, ` { "a" : [ 1 , {} ] , "b" : "x" } `, `{"phx_ref":"mine","\u0070hx_ref_prev":1,"z":-0.0e5}`,
		`{"a":1,"a":2}`, `{"a":"\ud83d"}`, `null`, `[`, `{"a"`, `{"a":1}}`, `{"a\"}":"{\\"}`, `{"":""}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		m, err := newMeta("key", []byte(payload), "ours", "before")
		var want map[string]any
		if readErr := json.Unmarshal([]byte(payload), &want); payload != "" && (readErr != nil || want == nil) {
			if err == nil {
				t.Fatalf("newMeta(%q) = %s; want it refused", payload, m.JSON)
			}
			return
		}
		if err != nil {
			if utf8.ValidString(payload) {
				t.Fatalf("newMeta(%q): %v", payload, err)
			}
			return
		}
		if want == nil {
			want = map[string]any{}
		}
		want["phx_ref"], want["phx_ref_prev"] = "ours", "before"
		if diff := cmp.Diff(want, decode[map[string]any](t, m.JSON)); diff != "" {
			t.Fatalf("newMeta(%q) = %s (-want +got):\n%s", payload, m.JSON, diff)
		}
		if again, err := newMeta("key", []byte(payload), "other", ""); err != nil || !m.tracks(again) {
			t.Fatalf("newMeta(%q) does not track what it tracks", payload)
		}
	})
}
