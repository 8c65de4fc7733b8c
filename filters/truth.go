package filters

// Truth is a value of SQL's three-valued logic, ordered False < Unknown < True, or
// Undecided if only Postgres can say which of the three it is.
type Truth int8

// The truth values.
const (
	False Truth = iota
	Unknown
	True
	Undecided
)

// String returns the name of the truth value in lower case.
func (t Truth) String() string {
	return [...]string{"false", "unknown", "true", "undecided"}[t]
}

// truth returns True or False.
func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// not returns SQL's NOT of t.
func (t Truth) not() Truth {
	switch t {
	case False:
		return True
	case True:
		return False
	}
	return t
}

// and returns SQL's AND. False decides it, even beside Undecided.
func (t Truth) and(o Truth) Truth {
	switch {
	case t == False || o == False:
		return False
	case t == Undecided || o == Undecided:
		return Undecided
	}
	return min(t, o)
}

// or returns SQL's OR. True decides it, even beside Undecided.
func (t Truth) or(o Truth) Truth {
	switch {
	case t == True || o == True:
		return True
	case t == Undecided || o == Undecided:
		return Undecided
	}
	return max(t, o)
}
