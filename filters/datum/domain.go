package datum

import (
	"walcast/replication/wal"
)

// domain compares as the type underneath. It leaves literals to Postgres, as a
// modifier of the type may change them: a domain over varchar(3) truncates, and a
// domain over numeric(5,2) rounds. Whether a literal breaks a constraint of the
// domain is not known here.
type domain struct{ Type }

// domainOf returns the type of a domain: that underneath if its literals need no
// modifier, or nil if only Postgres can compare.
func domainOf(t *wal.Type, o Options) Type {
	under := t.Underlying()
	below := Of(under, o)
	if below == nil || under.Kind == wal.KindDomain || under.Kind == wal.KindEnum {
		return nil // Postgres has no operators for a domain over an enum
	}
	if modifiable(under) {
		return domain{below}
	}
	return below
}

func (domain) In(string) (Value, error) { return Value{}, ErrUncertain }

// modifiable reports whether a type takes a modifier, as in varchar(3).
func modifiable(t *wal.Type) bool {
	if t.Kind == wal.KindArray {
		return t.Element == nil || modifiable(t.Element)
	}
	if t.Kind != wal.KindBase {
		return false
	}
	switch t.OID {
	case oidVarchar, oidBpchar, oidNumeric, oidBit, oidVarbit, oidTime, oidTimetz, oidTimestamp, oidTimestamptz, oidInterval:
		return true
	}
	return t.OID == 0
}
