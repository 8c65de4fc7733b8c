package policy

import "walcast/policy/compile"

// Undecided returns the names of the policies of the view's relation about which Postgres
// has to be asked for a subject; none if it is not asked. It needs no I/O, and is for the
// database's owner: clients are not told the names of policies.
func (t *tables) Undecided(v *View, s *Subject) (policies []string) {
	r := t.of(v.Relation, s.Role).current()
	if r == nil || r.kind != byPolicies || s.guard.bound(v.Relation, r).err == nil {
		return nil
	}
	for i, rule := range r.policies {
		alone := *r
		alone.policies, alone.compilable = []compile.Rule{rule}, true
		if rule.Using == nil || newBond(v.Relation, &alone, s).err != nil {
			policies = append(policies, r.names[i])
		}
	}
	if len(policies) == 0 { // none of them by itself: what the session has set, or functions that casts may call
		return r.names
	}
	return policies
}
