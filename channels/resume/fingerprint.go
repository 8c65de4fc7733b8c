package resume

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"walcast/protocol"
)

// Fingerprint tells sets of bindings apart. It is kept in the state file, so
// equal bindings must have the same one in the next version.
type Fingerprint [16]byte

// FingerprintOf covers what bindings select, not where they resume.
func FingerprintOf(bindings []protocol.Binding) (f Fingerprint) {
	var texts []string
	for i := range bindings {
		b := &bindings[i]
		text := fmt.Sprintf("%q %q %q %q %q %t %t %t", b.Event, b.Schema, b.Table, b.Filter, b.Select, b.Int8AsString, b.Snapshot, b.View)
		if b.Transactions { // without it the text is that of versions that did not know it
			text += " transactions"
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	copy(f[:], sum[:])
	return f
}
