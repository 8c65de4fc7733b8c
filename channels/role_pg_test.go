package channels

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/policy"
	"walcast/protocol"
)

// TestAChangedRoleIsCompiledAgainWithoutARelationMessage: none comes when a role
// is granted.
func TestAChangedRoleIsCompiledAgainWithoutARelationMessage(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), `create table docs (id int primary key, org int);
		alter table docs enable row level security; create table marks (id int primary key)`)
	editor, reader := f.role("editor"), f.role("reader")
	f.db.Exec("grant select on docs, marks to " + reader)
	f.db.Exec("create policy team on docs for select to " + editor + " using (org = 7)")
	asks := prometheus.NewRegistry()
	f.renewWith(DefaultConfig(), policy.New(policy.Config{AccessAge: 200 * time.Millisecond, Timeout: 5 * time.Second}, f.db.Pool, f.hub.logger, asks))
	f.run()
	docs, marks, c := f.relation("docs"), f.relation("marks"), f.connect(reader, "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"docs"},{"event":"*","schema":"public","table":"marks"}`))
	c.waitFor(protocol.EventSystem, 1)
	f.commit(insert(docs, "1", "7"), insert(marks, "2"))
	c.waitFor(protocol.EventPostgresChanges, 1)
	f.db.Exec("grant " + editor + " to " + reader)
	if _, err := f.hub.policy.Confirm(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}

	deadline := time.Now().Add(patient)
	for id := 3; c.count(protocol.EventPostgresChanges) < 10; id++ {
		f.present()
		f.commit(insert(docs, fmt.Sprint(id), "7"), insert(docs, fmt.Sprint(-id), "8"))
		<-time.After(10 * time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatalf("rows do not come %s after the role was granted", patient)
		}
	}
	if n := asked(t, asks); n != 0 {
		t.Errorf("%v statements about rows; want none, as the policy is compiled", n)
	}
	for _, id := range records(c.waitFor(protocol.EventPostgresChanges, 1), "id") {
		if id.(float64) < 2 {
			t.Errorf("row %v came; it was not to be seen", id)
		}
	}
}

// role makes a role of this test only; it goes with the test.
func (f *fixture) role(suffix string) string {
	name := f.db.Name + "_" + suffix
	f.db.Exec("create role " + name + " nologin")
	f.Cleanup(func() {
		for _, s := range []string{"drop owned by %s cascade", "drop role %s"} {
			if _, err := f.db.Pool.Exec(context.Background(), fmt.Sprintf(s, name)); err != nil {
				f.Errorf("%s %s: %v", s, name, err)
			}
		}
	})
	return name
}

// asked is how many statements asked Postgres about rows.
func asked(t *testing.T, reg *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "walcast_policy_asks_total" {
			for _, m := range family.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// count is how many frames of an event have come.
func (c *client) count(event string) (n int) {
	c.box.mu.Lock()
	defer c.box.mu.Unlock()
	for _, frame := range c.box.frames {
		if c.read(frame).event == event {
			n++
		}
	}
	return n
}
