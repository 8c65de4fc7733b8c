package access

import (
	"fmt"
	"slices"

	"walcast/replication/wal"
)

// change is a change of access: one transaction of the steward. The first of a
// history stands for how the world began.
type change struct {
	Label string   // its kind, in a few words
	Rules []string // what the shadow does too
	Rows  []string // written to published tables before, in the same transaction
	Data  bool     // of rows that policies read, and not of rules
	Type  bool     // of a type

	closed        bool // nobody has USAGE on the schema app, behind it
	XID           uint32
	Before, After int64 // the moments around its commit, Unix nanoseconds
	LSN           wal.LSN
	apply         func() // notes it in the world, once it is committed
}

func (c change) applied() {
	if c.apply != nil {
		c.apply()
	}
}

// draw draws a change of access.
func (w *world) draw() change {
	t := pick(w.random, w.tables...)
	if w.closed && w.chance(3) {
		return w.changeSchema() // or most tables were out of reach most of the time
	}
	switch w.random.IntN(20) {
	case 0, 1, 2:
		return w.createPolicy(t, w.chance(4))
	case 3, 4:
		return w.dropPolicy(t)
	case 5, 6:
		return w.alterPolicy(t)
	case 7:
		return w.security(t)
	case 8, 9:
		return w.changeGrant(t)
	case 10:
		return w.changeSchema()
	case 11:
		return w.changeRole()
	case 12, 13:
		return w.changeFunction()
	case 14:
		return w.changeType()
	case 15:
		return w.openTable(t)
	default:
		return w.changeMembers()
	}
}

func (w *world) dropPolicy(t *table) change {
	if len(t.policies) == 0 {
		return w.createPolicy(t, false)
	}
	name := pick(w.random, t.policies...)
	return change{
		Label: "drop policy",
		Rules: []string{fmt.Sprintf("drop policy %s on %s", name, t)},
		apply: func() { t.policies = slices.DeleteFunc(t.policies, func(p string) bool { return p == name }) },
	}
}

func (w *world) alterPolicy(t *table) change {
	if len(t.policies) == 0 {
		return w.createPolicy(t, false)
	}
	name := pick(w.random, t.policies...)
	if w.chance(2) {
		return change{Label: "alter policy to", Rules: []string{fmt.Sprintf("alter policy %s on %s to %s", name, t, w.audience())}}
	}
	return change{Label: "alter policy using", Rules: []string{fmt.Sprintf("alter policy %s on %s using (%s)", name, t, w.expression(t))}}
}

func (w *world) security(t *table) change {
	what := pick(w.random, "enable", "enable", "disable", "force", "no force")
	return change{Label: what + " row level security", Rules: []string{fmt.Sprintf("alter table %s %s row level security", t, what)}}
}

func (w *world) changeGrant(t *table) change {
	who := pick(w.random, "anon", "authenticated", "editor", "guest", "staff", "service_role")
	if w.chance(2) {
		return w.grant(t, who)
	}
	if w.chance(2) {
		return change{Label: "revoke select", Rules: []string{fmt.Sprintf("revoke select on %s from %s", t, who)}}
	}
	// What is granted on the table is not taken away by column: both in one.
	g := w.grant(t, who)
	g.Label = "narrow grant"
	g.Rules = append([]string{fmt.Sprintf("revoke select on %s from %s", t, who)}, g.Rules...)
	return g
}

func (w *world) changeSchema() change {
	if w.closed {
		return change{Label: "grant usage on schema", Rules: []string{"grant usage on schema app to public"}, apply: func() { w.closed = false }}
	}
	return change{Label: "revoke usage on schema", Rules: []string{"revoke usage on schema app from public"}, apply: func() { w.closed = true }}
}

func (w *world) changeRole() change {
	who, group := pick(w.random, "editor", "guest", "authenticated"), pick(w.random, groups...)
	switch w.random.IntN(6) {
	case 0, 1:
		return change{Label: "grant role", Rules: []string{fmt.Sprintf("grant %s to %s", group, who)}}
	case 2, 3:
		return change{Label: "revoke role", Rules: []string{fmt.Sprintf("revoke %s from %s", group, who)}}
	}
	if w.chance(3) {
		return change{Label: "alter role", Rules: []string{"alter role " + who + pick(w.random, " inherit", " noinherit")}}
	}
	return change{Label: "alter role", Rules: []string{"alter role " + pick(w.random, "service_role", "guest") + pick(w.random, " bypassrls", " nobypassrls", " nobypassrls")}}
}

// changeFunction replaces a function that policies call, or who may call it.
func (w *world) changeFunction() change {
	const uid = "create or replace function auth.uid() returns uuid language sql stable as $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$"
	const may = "create or replace function app.may(o text) returns boolean language sql stable security definer set search_path = app as $$ "
	const jwt = "create or replace function auth.jwt() returns jsonb language sql stable as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$"
	body := pick(w.random,
		uid, uid, jwt,
		"create or replace function auth.jwt() returns jsonb language sql stable as $$ select '{\"org\": \"blue\"}'::jsonb $$",
		"create or replace function auth.uid() returns uuid language sql stable as $$ select '"+users[3]+"'::uuid $$",
		may+"select exists (select from app.members m where m.org = o and m.who = auth.uid()) $$",
		may+"select o = 'open' $$",
		may+"select exists (select from app.members m where m.org = o) $$",
		"create or replace function app.own_org() returns text language sql stable as $$ select auth.jwt() ->> 'org' $$",
		"create or replace function app.own_org() returns text language sql stable as $$ select 'green'::text $$",
		fmt.Sprintf("create or replace function app.level() returns int language sql stable as $$ select %d $$", w.random.IntN(100)),
		"revoke execute on function app.may(text) from public",
		"grant execute on function app.may(text) to public",
		"revoke execute on function app.own_org() from public",
		"grant execute on function app.own_org() to public",
		"alter function app.may(text) set search_path = pg_temp",
		"alter function app.level() set search_path = app",
		"alter function app.may(text) security invoker",
		"alter function app.may(text) security definer",
	)
	label := "replace function"
	switch {
	case body[0] == 'r':
		label = "revoke execute"
	case body[0] == 'g':
		label = "grant execute"
	case body[0] == 'a':
		label = "alter function"
	}
	return change{Label: label, Rules: []string{body}}
}

// changeType changes labels and fields of the types that columns have.
func (w *world) changeType() change {
	w.names++
	switch w.random.IntN(3) {
	case 0:
		from := pick(w.random, "ok", "fine")
		to := map[string]string{"ok": "fine", "fine": "ok"}[from]
		return change{Label: "rename label", Type: true, Rules: []string{fmt.Sprintf("alter type app.mood rename value '%s' to '%s'", from, to)}}
	case 1:
		from := pick(w.random, "net", "base")
		to := map[string]string{"net": "base", "base": "net"}[from]
		return change{Label: "rename field", Type: true, Rules: []string{fmt.Sprintf("alter type app.price rename attribute %s to %s", from, to)}}
	}
	from := pick(w.random, "net", "base")
	return change{Label: "replace field", Type: true, Rules: []string{
		"alter type app.price drop attribute " + from,
		fmt.Sprintf("alter type app.price add attribute f%d text", w.names),
		// The next change of this kind finds a field of either name.
		fmt.Sprintf("alter type app.price rename attribute gross to %s", map[string]string{"net": "base", "base": "net"}[from]),
		fmt.Sprintf("alter type app.price rename attribute f%d to gross", w.names),
	}}
}

// openTable cleans or deletes a row in the transaction that lets more people
// read the table.
func (w *world) openTable(t *table) change {
	c := w.createPolicy(t, false)
	c.Label = "open table"
	if !t.changeable() {
		return c
	}
	row := fmt.Sprintf("id = (select id from %s order by ver desc limit 1)", t.target())
	if w.chance(2) {
		c.Rows = []string{fmt.Sprintf("delete from %s where %s", t.target(), row)}
	} else {
		c.Rows = []string{fmt.Sprintf("update %s set ver = %d, body = null, pin = null where %s", t.target(), w.version.Add(1), row)}
	}
	return c
}

func (w *world) changeMembers() change {
	who, org := pick(w.random, users...), pick(w.random, orgs...)
	if w.chance(2) {
		return change{Label: "remove member", Data: true, Rules: []string{fmt.Sprintf("delete from app.members where who = '%s' and org = '%s'", who, org)}}
	}
	return change{Label: "add member", Data: true, Rules: []string{fmt.Sprintf("insert into app.members values ('%s', '%s')", who, org)}}
}
