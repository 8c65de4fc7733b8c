package datum

import (
	"walcast/replication/wal"
)

// Options is how a database's settings change what its types mean.
type Options struct {
	Bytewise bool    // text sorts by its bytes
	Folding  Folding // for which letters the other case is known
	UTC      bool    // literals without a time zone are in UTC
}

// OIDs of the built-in types, as in pg_type.dat.
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidJSON        = 114
	oidCIDR        = 650
	oidFloat4      = 700
	oidFloat8      = 701
	oidMacaddr8    = 774
	oidMacaddr     = 829
	oidInet        = 869
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidInterval    = 1186
	oidTimetz      = 1266
	oidBit         = 1560
	oidVarbit      = 1562
	oidNumeric     = 1700
	oidUUID        = 2950
	oidJSONB       = 3802
)

// Of returns the Type that reads and compares values of t, or nil if only Postgres
// can.
func Of(t *wal.Type, o Options) Type {
	switch t.Kind {
	case wal.KindBase:
		if t.Name == "citext" && o.Folding != FoldUnknown {
			return citext{o.Folding, o.Bytewise}
		}
		return baseType(t.OID, o)
	case wal.KindEnum:
		return enum{t}
	case wal.KindDomain:
		return domainOf(t, o)
	case wal.KindArray:
		if t.Delimiter == ' ' { // int2vector and oidvector are written without braces
			return nil
		}
		if element := elementOf(t, o); element != nil {
			return array{element, t.Delimiter}
		}
	case wal.KindRange:
		if subtype := elementOf(t, o); subtype != nil {
			return rangeType{subtype}
		}
	}
	return nil
}

// elementOf returns the type of an array's elements or a range's bounds, or nil.
func elementOf(t *wal.Type, o Options) Type {
	if t.Element == nil {
		return nil
	}
	return Of(t.Element, o)
}

// baseType finds a built-in type by its OID, which never changes.
func baseType(typeOID uint32, o Options) Type {
	switch typeOID {
	case oidText, oidVarchar:
		return text{o.Bytewise}
	case oidBpchar:
		return padded{o.Bytewise}
	case oidBool:
		return boolean{}
	case oidBytea:
		return bytea{}
	case oidChar:
		return character{}
	case oidName:
		return name{}
	case oidUUID:
		return uuid{}
	case oidJSONB:
		return jsonb{}
	case oidBit, oidVarbit:
		return bitString{}
	case oidInet, oidCIDR:
		return network{cidr: typeOID == oidCIDR}
	case oidMacaddr:
		return hardware{6}
	case oidMacaddr8:
		return hardware{8}
	}
	if t := numberType(typeOID); t != nil {
		return t
	}
	return timeType(typeOID, o)
}

func numberType(typeOID uint32) Type {
	switch typeOID {
	case oidInt2:
		return integer{16, "smallint"}
	case oidInt4:
		return integer{32, "integer"}
	case oidInt8:
		return integer{64, "bigint"}
	case oidOID:
		return oid{}
	case oidNumeric:
		return decimal{}
	case oidFloat4:
		return float{32, "real"}
	case oidFloat8:
		return float{64, "double precision"}
	}
	return nil
}

func timeType(typeOID uint32, o Options) Type {
	switch typeOID {
	case oidDate:
		return date{}
	case oidTime:
		return clock{}
	case oidTimetz:
		return zonedClock{o.UTC}
	case oidTimestamp:
		return timestamp{}
	case oidTimestamptz:
		return timestamp{zoned: true, utc: o.UTC}
	case oidInterval:
		return interval{}
	}
	return nil
}
