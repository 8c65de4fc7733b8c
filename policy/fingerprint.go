package policy

import (
	"crypto/sha256"
	"fmt"
)

// Fingerprint is equal for what is the same. Fingerprints of different Relations of a
// table can be compared.
type Fingerprint [sha256.Size]byte

// Fingerprints are what a view was made of: who knows some rows by it knows which of
// them it may still have as long as these are the same.
type Fingerprints struct {
	// Rules is of the grants and the row-level security of the table for the role.
	Rules Fingerprint
	// Depends is of all that row-level security may depend on beside the rules: it
	// changes more often than the answer does.
	Depends Fingerprint
	// Own is of the table itself, its columns included.
	Own int64
}

// newFingerprints makes the fingerprints of a view from what it was made of.
func newFingerprints(v *View, r *rules, f *facts, watched dependencies) Fingerprints {
	of := Fingerprints{Own: f.sight.prints.of(dependency{DependRelation, f.oid})}
	of.Rules = sha256.Sum256(fmt.Appendf(nil, "%s %v %t %t %t %t", r.text, v.Columns, v.Denied, v.RowSecurity, v.NoPolicy, v.NoUsage))
	hash := sha256.New()
	for _, d := range watched {
		if !d.isNarrow() {
			fmt.Fprintln(hash, d.kind, d.oid, f.sight.prints.of(d))
		}
	}
	hash.Sum(of.Depends[:0])
	return of
}
