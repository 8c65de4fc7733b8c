package filters

import "walcast/filters/pattern"

// likeMatch is LIKE or ILIKE. It matches the text as Postgres prints it, in which
// the padding of char(n) counts.
type likeMatch struct{ pattern pattern.LikePattern }

func (l likeMatch) holds(_ *evaluation, _ *operand, text string) Truth {
	return ifCertain(l.pattern.Match(text))
}

// regexpMatch is ~ or ~*.
type regexpMatch struct{ regexp pattern.Regexp }

func (r regexpMatch) holds(_ *evaluation, _ *operand, text string) Truth {
	return ifCertain(r.regexp.Match(text))
}

// ifCertain is True or False if that is certain, else Undecided.
func ifCertain(holds, certain bool) Truth {
	if !certain {
		return Undecided
	}
	return truth(holds)
}
