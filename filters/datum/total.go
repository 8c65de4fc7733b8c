package datum

// Total reports whether Out reads everything that Postgres prints, and Compare
// orders all of it. The others meet labels that are new, arrays of several
// dimensions and numbers beyond bounds.
func Total(t Type) bool {
	switch t := t.(type) {
	case enum, array, span, jsonb, character:
		return false
	case citext:
		return t.folding == FoldASCII
	case domain:
		return Total(t.Type)
	}
	return true
}
