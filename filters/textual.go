package filters

import "walcast/filters/pattern"

// likeness is LIKE or ILIKE. Text is taken as it is printed: the padding of
// char(n) counts here.
type likeness struct{ pattern pattern.LikePattern }

func (l likeness) holds(_ *evaluation, _ *operand, text string) Truth {
	return ifCertain(l.pattern.Match(text))
}

// expression is ~ or ~*.
type expression struct{ regexp pattern.Regexp }

func (e expression) holds(_ *evaluation, _ *operand, text string) Truth {
	return ifCertain(e.regexp.Match(text))
}

func ifCertain(holds, certain bool) Truth {
	if !certain {
		return Undecided
	}
	return truth(holds)
}
