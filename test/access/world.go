package access

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
)

// world is what a round is about: drawn from its seed, changed by the steward.
type world struct {
	random   *rand.Rand
	tables   []*table
	subjects []subject
	rights   []string // statements of the first policies and grants
	super    bool     // walcast connects as a superuser
	watched  bool     // the table of members is published too
	plain    bool     // see makePlain
	closed   bool     // nobody has USAGE on the schema app

	names   int          // policies named so far
	version atomic.Int64 // the last number of a row version
}

// table is one that has changes and rules of its own: a plain or partitioned
// table, or a leaf that is published by its own name.
type table struct {
	index        int
	schema, name string
	root         string // where its rows are written, if not to itself
	identity     string // see identities
	partitioned  bool
	typed        bool // has columns of the types that change
	generated    bool
	policies     []string
}

// identities are the kinds of keys and replica identities.
var identities = []string{"key", "none", "key, full", "full", "index"}

func (t *table) String() string { return t.schema + "." + t.name }

// target is the table that rows are written to.
func (t *table) target() string {
	if t.root != "" {
		return t.root
	}
	return t.String()
}

// changeable reports whether Postgres lets published rows be updated and deleted.
func (t *table) changeable() bool { return t.identity != "none" }

// columns are those that are written; a generated one is not.
func (t *table) columns() []string {
	all := []string{"ver", "id", "owner", "org", "body", "num", "pin", "big"}
	if t.typed {
		all = append(all, "mood", "price")
	}
	return all
}

// The users that own rows and are members of organisations.
var users = []string{
	"11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222",
	"33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444",
}

var orgs = []string{"red", "green", "blue", "open"}

// groups are roles that subjects' roles may be members of.
var groups = []string{"staff", "office"}

// stranger is a role that walcast may not be, unless it is a superuser.
const stranger = "stranger"

// subject is the role and claims that a client acts as.
type subject struct {
	role   string
	claims map[string]any
}

func (s subject) String() string {
	return fmt.Sprintf("%s sub=%.4v org=%v", s.role, s.claims["sub"], s.claims["org"])
}

// text is what policies read the claims from.
func (s subject) text() string {
	text, err := json.Marshal(s.claims)
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	return string(text)
}

// expiry is that of all tokens, in seconds: after every run.
const expiry = 4102444800

func newSubject(role, user, org string) subject {
	claims := map[string]any{"role": role, "exp": expiry}
	if user != "" {
		claims["sub"] = user
	}
	if org != "" {
		claims["org"] = org
	}
	return subject{role: role, claims: claims}
}

// newWorld draws a world.
func newWorld(seed uint64) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 0))}
	w.super, w.watched = w.chance(3), w.chance(2)
	for i := range 6 {
		t := &table{index: len(w.tables), schema: pick(w.random, "public", "public", "app"), name: fmt.Sprintf("t%d", i)}
		t.identity, t.typed, t.generated = identities[i%len(identities)], w.chance(2), w.chance(3)
		switch i {
		case 4:
			t.partitioned, t.identity = true, pick(w.random, "key", "key, full", "key, root full", "key, one full")
		case 5:
			t.identity = "key"
			leaf := *t
			t.root, leaf.root = t.String(), t.String()
			t.name, leaf.name = t.name+"_0", t.name+"_1"
			leaf.index++
			w.tables = append(w.tables, t, &leaf)
			continue
		}
		w.tables = append(w.tables, t)
	}
	w.subjects = []subject{
		newSubject("authenticated", users[0], "red"), newSubject("authenticated", users[0], "blue"),
		newSubject("authenticated", users[1], "green"), newSubject("editor", users[1], "green"),
		newSubject("guest", users[2], "blue"), newSubject("authenticated", users[2], ""),
		newSubject("anon", "", ""), newSubject("service_role", "", ""),
		newSubject(stranger, users[3], "red"),
	}
	w.drawRights()
	return w
}

// foreign reports whether walcast may not act as a subject at all.
func (w *world) foreign(subject int) bool { return !w.super && w.subjects[subject].role == stranger }

// chance is true once in n times.
func (w *world) chance(n int) bool { return w.random.IntN(n) == 0 }

// pick is one of several.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// drawRights draws the policies and grants that the tables begin with.
func (w *world) drawRights() {
	do := func(c change) { w.rights = append(w.rights, c.Rules...); c.applied() }
	for _, t := range w.tables {
		do(w.grant(t, "anon, authenticated, editor, guest, service_role, stranger"))
		if w.chance(4) {
			continue // without row-level security
		}
		w.rights = append(w.rights, "alter table "+t.String()+" enable row level security")
		for range 1 + w.random.IntN(2) {
			do(w.createPolicy(t, false))
		}
		if w.chance(4) {
			do(w.createPolicy(t, true))
		}
	}
	for _, u := range users {
		w.rights = append(w.rights, fmt.Sprintf("insert into app.members values ('%s', '%s')", u, pick(w.random, orgs...)))
	}
}

// makePlain lets everybody follow all tables: some are open, of the others every
// second row is hidden, and of one the rows have to be looked up by their key.
func (w *world) makePlain() {
	w.plain, w.rights = true, nil
	for _, t := range w.tables {
		t.generated = t.root != ""
		w.rights = append(w.rights, "grant select on "+t.String()+" to anon, authenticated, editor, guest, service_role, stranger")
		if t.open() {
			continue
		}
		policy := "num % 2 = 0"
		if t.generated {
			policy = "twice % 4 = 0"
		}
		w.rights = append(w.rights, "alter table "+t.String()+" enable row level security", fmt.Sprintf("create policy even on %s using (%s)", t, policy))
	}
}

// open reports whether everybody may see all rows, in a plain world.
func (t *table) open() bool { return t.index%2 == 0 }

// create returns the statements that make the world. The shadow has no unique
// keys, as several versions of a row are in it at once.
func (w *world) create(shadow bool) (all []string) {
	for _, role := range append([]string{"editor", "guest", stranger}, groups...) {
		all = append(all, "create role "+role+" nologin")
	}
	all = append(all, base...)
	for _, t := range w.tables {
		all = append(all, t.create(shadow)...)
	}
	if !shadow {
		all = append(all, w.publish()...)
	}
	return append(all, w.rights...)
}

// base is what all worlds have.
var base = []string{
	`grant staff to editor`,
	`create schema app`,
	`grant usage on schema app to public`,
	`grant usage on schema auth, public to public`,
	`create domain app.org as text check (value <> '')`,
	`create type app.mood as enum ('sad', 'ok', 'happy')`,
	`create type app.price as (net int, gross numeric)`,
	`create table app.members (who uuid, org text)`,
	`grant select on app.members to public`,
	`create function app.may(o text) returns boolean language sql stable security definer set search_path = app as
		$$ select exists (select from app.members m where m.org = o and m.who = auth.uid()) $$`,
	`create function app.checked(n int) returns boolean language plpgsql stable as
		$$ begin if n % 7 = 3 then raise exception 'number % is bad', n; end if; return n % 2 = 0; end $$`,
	`create function app.told(b text) returns boolean language plpgsql stable as
		$$ begin if b like '%7-body' then raise exception 'body is %', b; end if; return true; end $$`,
	`create function app.own_org() returns text language sql stable as $$ select auth.jwt() ->> 'org' $$`,
	`create function app.level() returns int language sql stable as $$ select 50 $$`,
}

func (t *table) create(shadow bool) (all []string) {
	name := t.target()
	columns := []string{
		"ver bigint not null", "id int not null", "owner uuid", "org app.org", "body text", "num int", "pin text",
		"big text",
	}
	if t.typed {
		columns = append(columns, "mood app.mood", "price app.price")
	}
	if t.generated {
		columns = append(columns, "twice int generated always as (num * 2) stored")
	}
	if !shadow && strings.HasPrefix(t.identity, "key") {
		columns = append(columns, "primary key (id)")
	}
	statement := fmt.Sprintf("create table %s (%s)", name, strings.Join(columns, ", "))
	leaves := []string{name}
	if t.partitioned || t.root != "" {
		if strings.HasSuffix(t.name, "_1") {
			return nil // made with its neighbour
		}
		statement += " partition by hash (id)"
		leaves = []string{name + "_0", name + "_1"}
	}
	all = append(all, statement)
	for i, leaf := range leaves {
		if leaf != name {
			all = append(all, fmt.Sprintf("create table %s partition of %s for values with (modulus 2, remainder %d)", leaf, name, i))
		}
		all = append(all, "alter table "+leaf+" alter column big set storage external")
		all = append(all, t.identify(leaf, shadow)...)
	}
	return all
}

// identify sets the replica identity of a table or leaf.
func (t *table) identify(leaf string, shadow bool) []string {
	_, name, _ := strings.Cut(leaf, ".")
	switch {
	case shadow:
		return []string{fmt.Sprintf("create index on %s (ver)", leaf)}
	case t.identity == "key, root full": // which counts for nothing
		return []string{"alter table " + t.target() + " replica identity full"}
	case t.identity == "key, one full" && strings.HasSuffix(leaf, "_0"):
		return nil
	case strings.HasSuffix(t.identity, "full"):
		return []string{"alter table " + leaf + " replica identity full"}
	case t.identity == "index":
		return []string{
			fmt.Sprintf("create unique index %s_id on %s (id)", name, leaf),
			fmt.Sprintf("alter table %s replica identity using index %s_id", leaf, name),
		}
	}
	return nil
}

// Publications: two that walcast follows, and one for the harness alone.
const (
	byName    = "by_name"
	byRoot    = "by_root"
	byHarness = "by_harness"
)

func (w *world) publish() []string {
	var named, rooted []string
	for _, t := range w.tables {
		if t.partitioned {
			rooted = append(rooted, t.String())
		} else if !slices.Contains(named, t.target()) {
			named = append(named, t.target())
		}
	}
	if w.watched {
		named = append(named, "app.members")
	}
	all := []string{
		"create table public.journal (k int)",
		"create table public.pulse (id int primary key)",
		"create publication " + byHarness + " for table public.journal",
		"create publication " + byName + " for table public.pulse, " + strings.Join(named, ", "),
		"create publication " + byRoot + " for table " + strings.Join(rooted, ", ") + " with (publish_via_partition_root = true)",
		"create role walcast login replication",
		"grant anon, authenticated, service_role, editor, guest to walcast",
	}
	return all
}
