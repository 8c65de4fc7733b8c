package policy

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// offline is a policy that never asks a database.
func offline() (*Policy, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	return New(DefaultConfig(), nil, slog.New(slog.DiscardHandler), reg), reg
}

func TestEqualSubjectsAreOneWhileSomebodyHoldsThem(t *testing.T) {
	p, reg := offline()
	a := p.Subject("anon", `{"role":"anon"}`)
	if b := p.Subject("anon", `{"role":"anon"}`); a != b || p.Guard(a) != p.Guard(b) {
		t.Error("equal subjects are two")
	}
	others := []*Subject{p.Subject("anon", `{"role": "anon"}`), p.Subject("authenticated", `{"role":"anon"}`)}
	for _, o := range others {
		if o == a || p.Guard(o) == p.Guard(a) {
			t.Errorf("%+v and %+v are one", o, a)
		}
	}
	if n := measured(t, reg, "walcast_policy_subjects"); n != 3 {
		t.Errorf("%v subjects; want 3", n)
	}
	p.Release(a)
	if p.Subject("anon", `{"role":"anon"}`) != a {
		t.Error("a subject that is still held was replaced")
	}
	p.Release(a)
	p.Release(a)
	p.Release(others[0])
	p.Release(others[1])
	if n := measured(t, reg, "walcast_policy_subjects"); n != 0 {
		t.Errorf("%v subjects; want none", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("releasing too often goes unnoticed")
		}
	}()
	p.Release(a)
}

func TestSubjectsAreBoundedInBytes(t *testing.T) {
	p, reg := offline()
	long := strings.Repeat("x", 100_000)
	var held []*Subject
	for n := len(long); p.HasRoom("anon", long[:n]); n-- {
		held = append(held, p.Subject("anon", long[:n]))
	}
	bytes := measured(t, reg, "walcast_policy_subjects_bytes")
	if bytes > subjectsBytes || bytes < subjectsBytes-float64(len(long)+1000) || len(held) < 2000 {
		t.Errorf("%d subjects of %.0f bytes; want thousands, of %d", len(held), bytes, subjectsBytes)
	}
	if !p.HasRoom("anon", long) {
		t.Error("there is no room for a subject that is held already")
	}
	for _, s := range held {
		p.Release(s)
	}
	if bytes := measured(t, reg, "walcast_policy_subjects_bytes"); bytes != 0 {
		t.Errorf("%.0f bytes are left of subjects that nobody holds", bytes)
	}
}

func TestClaimsAreReadAsText(t *testing.T) {
	p, _ := offline()
	for claims, want := range map[string]string{
		`{"sub":"a\"b"}`: `a"b`, `{"sub":7}`: "7", `{"sub":null}`: "", `{}`: "", `[]`: "", ``: "", `{"Sub":"x"}`: "",
	} {
		if got := p.Subject("anon", claims).claim("sub"); got != want {
			t.Errorf("claim sub of %s = %q; want %q", claims, got, want)
		}
	}
}
