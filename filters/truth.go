package filters

// Truth is SQL's three-valued logic, ordered False < Unknown < True, and
// Undecided, where Postgres has to be asked which of them it is.
type Truth int8

// The truth values.
const (
	False Truth = iota
	Unknown
	True
	Undecided
)

// String names the truth value in lower case.
func (t Truth) String() string {
	return [...]string{"false", "unknown", "true", "undecided"}[t]
}

// truth is True or False.
func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// not is SQL's NOT.
func (t Truth) not() Truth {
	switch t {
	case False:
		return True
	case True:
		return False
	}
	return t
}

// and is SQL's AND: False decides, and so nothing need be asked beside it.
func (t Truth) and(o Truth) Truth {
	switch {
	case t == False || o == False:
		return False
	case t == Undecided || o == Undecided:
		return Undecided
	}
	return min(t, o)
}

// or is SQL's OR: True decides.
func (t Truth) or(o Truth) Truth {
	switch {
	case t == True || o == True:
		return True
	case t == Undecided || o == Undecided:
		return Undecided
	}
	return max(t, o)
}
