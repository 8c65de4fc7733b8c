package filters

import "walcast/filters/datum"

// mayAsk reports whether an expression may be Undecided for some row.
func mayAsk(e Expr) bool {
	switch e := e.(type) {
	case conjunction:
		return anyMayAsk(e)
	case disjunction:
		return anyMayAsk(e)
	case *comparison:
		return e.test.mayAsk()
	}
	return false
}

func anyMayAsk(exprs []Expr) bool {
	for _, e := range exprs {
		if mayAsk(e) {
			return true
		}
	}
	return false
}

func (t equality) mayAsk() bool    { return !datum.Total(t.typ) }
func (t membership) mayAsk() bool  { return !datum.Total(t.typ) }
func (t order) mayAsk() bool       { return !datum.Total(t.typ) }
func (t containment) mayAsk() bool { return !datum.Total(t.typ) }
func (t likeness) mayAsk() bool    { return !t.pattern.Certain() }
func (t expression) mayAsk() bool  { return !t.regexp.Certain() }
func (asked) mayAsk() bool         { return true }
