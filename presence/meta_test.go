package presence

import (
	"errors"
	"testing"
)

func TestMetaKeepsFieldsAsSpelled(t *testing.T) {
	for _, c := range []struct{ name, payload, prev, want string }{
		{"no payload", ``, "", `{"phx_ref":"r"}`},
		{"no fields", ` { } `, "", `{"phx_ref":"r"}`},
		{"after an update", `{"a":1}`, "p", `{"phx_ref":"r","phx_ref_prev":"p","a":1}`},
		{"order and numbers", `{"z":1.50,"a":12345678901234567890,"m":1E2}`, "", `{"phx_ref":"r","z":1.50,"a":12345678901234567890,"m":1E2}`},
		{"white space between fields", " {\n\t\"a\" : 1 ,\r\n \"b\":[ 1 ] }\n", "", `{"phx_ref":"r","a" : 1,"b":[ 1 ]}`},
		{"nested refs are the user's", `{"o":{"phx_ref":"mine"}}`, "", `{"phx_ref":"r","o":{"phx_ref":"mine"}}`},
		{"own refs", `{"phx_ref":"mine","a":1,"phx_ref_prev":"too"}`, "", `{"phx_ref":"r","a":1}`},
		{"own refs only", `{"phx_ref":"mine"}`, "p", `{"phx_ref":"r","phx_ref_prev":"p"}`},
		{"own ref, escaped", `{"a":1,"\u0070hx_ref":"mine"}`, "", `{"phx_ref":"r","a":1}`},
		{"names that only look like it", `{"phx_refs":1,"\u0071hx_ref":2}`, "", `{"phx_ref":"r","phx_refs":1,"\u0071hx_ref":2}`},
		{"equal names", `{"a":1,"a":2}`, "", `{"phx_ref":"r","a":1,"a":2}`},
		{"half a surrogate pair", `{"cut":"\ud83d","\udE00":1}`, "", `{"phx_ref":"r","cut":"\ud83d","\udE00":1}`},
		{"strings", `{"ünï":"😀 \" \u0000 , }"}`, "", `{"phx_ref":"r","ünï":"😀 \" \u0000 , }"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := newMeta("key", []byte(c.payload), "r", c.prev)
			if err != nil || string(got.JSON) != c.want {
				t.Errorf("newMeta(%s) = %s, %v; want %s", c.payload, got.JSON, err, c.want)
			}
		})
	}
}

func TestMetaRefusesWhatIsNoObject(t *testing.T) {
	for _, payload := range []string{`null`, `"text"`, `5`, `[1]`, `{`, `{"a"}`, `{"a":}`, `{"a":1`, `{} {}`, `{"a":1,}`, ` `, "{\"a\":\"\xff\"}"} {
		if got, err := newMeta("key", []byte(payload), "r", ""); !errors.Is(err, ErrPayload) {
			t.Errorf("newMeta(%s) = %+v, %v; want ErrPayload", payload, got, err)
		}
	}
}

func TestMetaTracksTheSamePayload(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		want       bool
	}{
		{"bytes", `{"a":1}`, `{"a":1}`, true},
		{"white space", `{"a":1,"b":[1,2]}`, `{ "a": 1, "b": [ 1, 2 ] }`, true},
		{"order of fields", `{"a":1,"b":{"c":1,"d":2}}`, `{"b":{"d":2,"c":1},"a":1}`, true},
		{"escapes", `{"a":"\u0041"}`, `{"a":"A"}`, true},
		{"refs of its own", `{"a":1,"phx_ref":"x"}`, `{"a":1}`, true},
		{"none and empty", ``, `{}`, true},
		{"value", `{"a":1}`, `{"a":2}`, false},
		{"order of a list", `{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{"big numbers", `{"a":12345678901234567890}`, `{"a":12345678901234567891}`, false},
		{"less", `{"a":1,"b":2}`, `{"a":1}`, false},
		{"equal names", `{"a":1,"a":2}`, `{"a":2,"a":1}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := newMeta("key", []byte(c.a), "r1", "")
			b, _ := newMeta("key", []byte(c.b), "r2", "r1")
			if got := a.tracks(b); got != c.want {
				t.Errorf("%s tracks %s = %v; want %v", c.a, c.b, got, c.want)
			}
		})
	}
}
