package livedrill

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
)

// rules are who may see what of the tables, and which columns these have.
type rules map[string]tableRules

// tableRules are those of one table.
type tableRules struct {
	Policy    string // that applies if the table is secured
	IsSecured bool
	Grants    map[string]grant // by role
	HasExtra  bool             // it has the column extra
}

// grant is what a role may read of a table.
type grant string

const (
	grantAll  grant = "all"
	grantSome grant = "some" // columns
	grantNone grant = "none"
)

// hidesSome is a policy that hides some rows from everybody and shows others.
const hidesSome = "owner = auth.uid()::text or room < 2"

// policies are conditions of rows, with the table's name as %s: those that compare columns
// with claims, those that look into another table, and those that Postgres has to be asked about.
var policies = []string{
	"true",
	"owner = auth.uid()::text",
	hidesSome,
	"room < (auth.jwt() ->> 'n')::int",
	"room in (select m.room from members m where m.who = auth.uid()::text)",
	"exists (select from members m where m.room = %s.room and m.who = auth.uid()::text)",
	"length(owner) > 0 and amount %% 3 <> 0",
	"amount >= 40",
}

func policyOf(table, condition string) string {
	if strings.Contains(condition, "%s") {
		return fmt.Sprintf(condition, table)
	}
	return strings.ReplaceAll(condition, "%%", "%")
}

// rulesChance draws the rules of a run.
func rulesChance(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

// firstRules are those that the tables begin with.
func firstRules(r *rand.Rand) rules {
	all := rules{}
	for _, t := range tables {
		all[t.name] = tableRules{
			Policy: pick(r, policies...), IsSecured: r.IntN(3) > 0,
			Grants: map[string]grant{"anon": grantAll, "authenticated": grantAll},
		}
	}
	return all
}

// with is the rules with others for one table.
func (r rules) with(table string, t tableRules) rules {
	next := maps.Clone(r)
	next[table] = t
	return next
}

// draw draws another rule of a table.
func (r rules) draw(random *rand.Rand, table string) rules {
	t := r[table]
	switch random.IntN(8) {
	case 0, 1, 2:
		t.Policy = pick(random, policies...)
	case 3:
		t.IsSecured = !t.IsSecured
	case 4, 5:
		t.HasExtra = !t.HasExtra
	default:
		t.Grants = maps.Clone(t.Grants)
		t.Grants[pick(random, "anon", "authenticated")] = pick(random, grantAll, grantAll, grantAll, grantSome, grantNone)
	}
	return r.with(table, t)
}

// change returns the statements by which a table gets other rules than it has. The judge's
// tables always have all columns, and are granted those that the others have.
func (t tableRules) change(table string, before tableRules, isShadow bool) (statements []string) {
	if t.HasExtra != before.HasExtra && !isShadow {
		statements = append(statements, "alter table "+table+map[bool]string{true: " add extra int default 7", false: " drop extra"}[t.HasExtra])
	}
	switch {
	case t.Policy == before.Policy:
	case before.Policy == "":
		statements = append(statements, "create policy p on "+table+" for select using ("+policyOf(table, t.Policy)+")")
	default:
		statements = append(statements, "alter policy p on "+table+" using ("+policyOf(table, t.Policy)+")")
	}
	if t.IsSecured != before.IsSecured {
		statements = append(statements, "alter table "+table+map[bool]string{true: " enable", false: " disable"}[t.IsSecured]+" row level security")
	}
	for _, role := range []string{"anon", "authenticated"} {
		if t.Grants[role] != before.Grants[role] {
			statements = append(statements, "revoke select on "+table+" from "+role)
			switch t.Grants[role] {
			case grantAll:
				statements = append(statements, "grant select on "+table+" to "+role)
			case grantSome:
				statements = append(statements, "grant select ("+strings.Join(columns, ", ")+") on "+table+" to "+role)
			}
		}
	}
	return statements
}

// shown are the columns that a role sees of a table in the rows of a view; none if it may
// have no row.
func (t tableRules) shown(role string, of interest) (names []string) {
	all := columns
	switch {
	case t.Grants[role] == grantNone:
		return nil
	case t.Grants[role] == grantAll && t.HasExtra:
		all = append(all[:len(all):len(all)], "note", "extra")
	case t.Grants[role] == grantAll:
		all = append(all[:len(all):len(all)], "note")
	}
	for _, name := range all {
		if of.shows(name) {
			names = append(names, name)
		}
	}
	return names
}
