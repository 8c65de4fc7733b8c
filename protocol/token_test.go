package protocol

import "testing"

func TestAccessToken(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    string
		ok      bool
	}{
		{`{"access_token":"a.b.c","more":1}`, "a.b.c", true},
		{`{"access_token":""}`, "", true}, // fails as a malformed token
		{`{"access_token":null}`, "", false},
		{`{"access_token":5}`, "", false},
		{`{"access_token":{}}`, "", false},
		{`{"access_token":"sb_publishable_x"}`, "", false},
		{`{"token":"a.b.c"}`, "", false},
		{`{}`, "", false},
		{`["access_token","a.b.c"]`, "", false},
		{`"access_token"`, "", false},
		{`null`, "", false},
		{`{`, "", false},
	} {
		if got, ok := AccessToken([]byte(c.payload)); ok != c.ok || ok && got != c.want {
			t.Errorf("AccessToken(%s) = %q, %t; want %q, %t", c.payload, got, ok, c.want, c.ok)
		}
	}
}

func TestChannelTokenOfAJoin(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    string // "-" for the connection's
	}{
		{`{}`, "-"},
		{`{"access_token":"a"}`, "a"},
		{`{"user_token":"u"}`, "u"},
		{`{"access_token":"a","user_token":"u"}`, "u"},
		{`{"access_token":null,"user_token":"u"}`, "u"},
		{`{"access_token":"a","user_token":null}`, "a"},
		{`{"access_token":"a","user_token":5}`, "a"},
		{`{"access_token":5,"user_token":"u"}`, "u"},
		{`{"access_token":5}`, "-"},
		{`{"access_token":""}`, ""},
		{`{"access_token":"sb_secret_x"}`, "-"},
		{`{"user_token":"sb_secret_x"}`, "-"},
		{`{"access_token":"sb_secret_x","user_token":"u"}`, "-"},
		{`{"access_token":"a","user_token":"sb_secret_x"}`, "sb_secret_x"}, // as upstream: only the first is looked at
	} {
		j, err := ParseJoin("room", []byte(c.payload))
		if err != nil {
			t.Fatalf("ParseJoin(%s): %v", c.payload, err)
		}
		got := "-"
		if j.AccessToken != nil {
			got = *j.AccessToken
		}
		if got != c.want {
			t.Errorf("ParseJoin(%s) chooses token %q; want %q", c.payload, got, c.want)
		}
	}
}
