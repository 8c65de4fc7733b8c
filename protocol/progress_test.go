package protocol

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestParseGoal(t *testing.T) {
	for payload, want := range map[string]Goal{
		`{}`:                            {},
		` { } `:                         {},
		`{"xid":759}`:                   {XID: 759},
		`{"xid":4294967295}`:            {XID: 4294967295},
		`{"position":"16/B374D848:3"}`:  {Position: "16/B374D848:3"},
		`{"position":"no position"}`:    {Position: "no position"}, // its caller reads it
		`{"position":"16\/B374D848:3"}`: {Position: "16/B374D848:3"},
		`{"\u0078id":7}`:                {XID: 7},
	} {
		if got, err := ParseGoal([]byte(payload)); err != nil || got != want {
			t.Errorf("ParseGoal(%s) = %+v, %v; want %+v", payload, got, err, want)
		}
	}
	for _, payload := range []string{
		``, `null`, `[]`, `"x"`, `5`, `{`, `{"xid":0}`, `{"xid":-1}`, `{"xid":4294967296}`, `{"xid":1.0}`, `{"xid":1e2}`, `{"xid":"759"}`,
		`{"xid":null}`, `{"xid":true}`, `{"position":5}`, `{"position":null}`, `{"position":""}`, `{"xid":1,"position":"0/1:0"}`,
		`{"xid":1,"more":2}`, `{"snapshot":"1:1:"}`,
	} {
		if got, err := ParseGoal([]byte(payload)); !errors.Is(err, RefuseProgress) {
			t.Errorf("ParseGoal(%s) = %+v, %v; want %v", payload, got, err, RefuseProgress)
		}
	}
}

func FuzzParseGoal(f *testing.F) {
	for _, seed := range []string{`{}`, `{"xid":759}`, `{"position":"16/B374D848:3"}`, `{"xid":1,"position":"0/1:0"}`, `{"xid":1e2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := ParseGoal(payload)
		if err != nil {
			if !errors.Is(err, RefuseProgress) || got != (Goal{}) {
				t.Fatalf("ParseGoal(%q) = %+v, %v; want nothing and the one refusal", payload, got, err)
			}
			return
		}
		var is map[string]any
		if err := json.Unmarshal(payload, &is); err != nil {
			t.Fatalf("ParseGoal(%q) = %+v; it is no JSON object: %v", payload, got, err)
		}
		xid, hasXID := is["xid"].(float64)
		position, _ := is["position"].(string)
		if len(is) > 1 || hasXID != (got.XID != 0) || uint32(xid) != got.XID || position != got.Position {
			t.Fatalf("ParseGoal(%q) = %+v", payload, got)
		}
	})
}
