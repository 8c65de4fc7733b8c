package access

import (
	"fmt"
	"strings"
)

// expression draws what a policy asks of a row: what Go can decide, what only
// Postgres can, and what raises.
func (w *world) expression(t *table) string {
	all := []string{
		"owner = auth.uid()",
		"(select auth.uid()) = owner",
		"org = (auth.jwt() ->> 'org')",
		"org::text = (select auth.jwt() ->> 'org')",
		"org = 'open'",
		"true",
		"num % 3 = 0",
		"num > 50",
		"num < app.level()",
		"auth.role() = 'authenticated' and num > 20",
		"org = app.own_org()",
		"app.may(org)",
		"(select app.may('red')) and num > 10",
		"app.checked(num)",
		"app.told(body)",
		"1 / (num % 5 - 2) <> 0",
		"pg_has_role(current_user, 'staff', 'member')",
		"current_user = 'editor' or org = 'open'",
		"org in (select m.org from app.members m where m.who = auth.uid())",
		"org in (select m.org from app.members m where m.who = (select auth.uid()))",
		fmt.Sprintf("exists (select from app.members m where m.org = %s.org and m.who = auth.uid())", t.name),
		"body like '%1-body' or owner = auth.uid()",
		"owner is not null and body is not null",
		"coalesce(pin, '') not like '%3-pin'",
		"coalesce(big, '') not like '%3-big%' and (org = 'open' or owner = auth.uid())",
	}
	if t.typed {
		all = append(all, "mood = 'ok'", "mood > 'sad' and num > 5", "price is not null", "(to_jsonb(price) ->> 'net')::int > 40")
	}
	if t.generated {
		all = append(all, "twice > 80", "twice >= 0 and org = 'open'", "twice >= 0 and (org = 'open' or owner = auth.uid())")
	}
	one := pick(w.random, all...)
	switch w.random.IntN(6) {
	case 0:
		return "(" + one + ") or (" + pick(w.random, all...) + ")"
	case 1:
		return "(" + one + ") and (" + pick(w.random, all...) + ")"
	}
	return one
}

// audience draws the roles that a policy is for.
func (w *world) audience() string {
	return pick(w.random, "public", "public", "public", "authenticated", "anon, authenticated", "editor, guest", "staff", "office, authenticated", "stranger, guest")
}

// createPolicy makes one more policy for a table.
func (w *world) createPolicy(t *table, restrictive bool) change {
	w.names++
	name, kind := fmt.Sprintf("p%d", w.names), ""
	if restrictive {
		kind = " as restrictive"
	}
	return change{
		Label: "create" + strings.TrimPrefix(kind, " as") + " policy",
		Rules: []string{fmt.Sprintf("create policy %s on %s%s for %s to %s using (%s)", name, t, kind, pick(w.random, "select", "select", "all"), w.audience(), w.expression(t))},
		apply: func() { t.policies = append(t.policies, name) },
	}
}

// grant draws what a role may select: the table, or some of its columns. The
// version is always among these, as the trial reads it.
func (w *world) grant(t *table, to string) change {
	columns, label := "", "grant select"
	if w.chance(4) {
		some := []string{"ver"}
		for _, c := range t.columns()[1:] {
			if !w.chance(3) {
				some = append(some, c)
			}
		}
		columns, label = " ("+strings.Join(some, ", ")+")", "grant select on columns"
	}
	return change{Label: label, Rules: []string{fmt.Sprintf("grant select%s on %s to %s", columns, t, to)}}
}
