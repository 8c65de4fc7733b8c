package api

import (
	"net/http/httptest"
	"testing"
	"time"

	"walcast/auth"
)

func TestSendersHaveTheRatesOfSessions(t *testing.T) {
	s := newSenders(Config{MessagesPerSecond: 10, BytesPerSecond: 1000}, &fakeGateway{})
	start := time.Now()
	from := func(role, subject, address string, body int) request {
		r := httptest.NewRequest("POST", "/api/broadcast", nil)
		r.RemoteAddr = address + ":1234"
		return request{Request: r, claims: &auth.Claims{Role: role, Subject: subject}, body: make([]byte, body)}
	}
	ann, bob := from("authenticated", "ann", "192.0.2.1", 10), from("authenticated", "bob", "192.0.2.1", 10)
	anon, elsewhere := from("anon", "", "192.0.2.1", 10), from("anon", "", "198.51.100.1", 10)
	server, large := from(serviceRole, "", "192.0.2.1", 10), from("authenticated", "large", "192.0.2.1", maxBody)
	for i, step := range []struct {
		request  request
		after    time.Duration
		messages int
		limit    string
		want     *response
	}{
		{ann, 0, 11, limitMessages, &tooManyAtOnce},
		{ann, 0, 8, "", nil},
		{ann, 0, 3, limitMessages, &tooManyAtOnce},
		{ann, 0, 2, "", nil},
		{ann, 0, 1, limitMessages, &tooManyMessages},
		{bob, 0, 10, "", nil}, // another subject at the same address
		{anon, 0, 10, "", nil},
		{anon, 0, 1, limitMessages, &tooManyMessages},
		{elsewhere, 0, 10, "", nil}, // without a subject the address tells them apart
		{server, 0, 1000, "", nil},
		{large, 0, 1, "", nil},
		{large, 0, 1, limitBytes, &tooManyMessages},
		{ann, 500 * time.Millisecond, 5, "", nil},
		{ann, 500 * time.Millisecond, 1, limitMessages, &tooManyMessages},
	} {
		limit, got := s.exceed(step.request, start.Add(step.after), step.messages)
		if limit != step.limit || got != step.want {
			t.Errorf("step %d: limit %q, answer %v; want %q, %v", i, limit, got, step.limit, step.want)
		}
	}
	if limit, got := newSenders(Config{}, &fakeGateway{}).exceed(ann, start, 1_000_000); got != nil {
		t.Errorf("without limits: %q, %v; want none", limit, got)
	}
}
