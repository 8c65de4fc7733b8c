package datum

import (
	"errors"
	"testing"

	"walcast/replication/wal"
)

func base(oid uint32) *wal.Type {
	return &wal.Type{OID: oid, Schema: "pg_catalog", Kind: wal.KindBase}
}

// TestOrdinaryLiteralsAreCertain: what programs write must not take a call of Postgres.
func TestOrdinaryLiteralsAreCertain(t *testing.T) {
	mood := &wal.Type{OID: 20000, Schema: "public", Name: "mood", Kind: wal.KindEnum, Labels: []string{"sad", "ok"}}
	label := &wal.Type{OID: 20001, Schema: "public", Name: "label", Kind: wal.KindDomain, Base: base(oidText)}
	list := &wal.Type{OID: 1007, Schema: "pg_catalog", Name: "_int4", Kind: wal.KindArray, Element: base(oidInt4), Delimiter: ','}
	for _, c := range []struct {
		typ      *wal.Type
		literals []string
	}{
		{base(oidInt2), []string{"1", "-1", "+1", " 1 "}},
		{base(oidInt4), []string{"2147483647", "007"}},
		{base(oidInt8), []string{"9223372036854775807"}},
		{base(oidOID), []string{"16384"}},
		{base(oidNumeric), []string{"1", "1.50", "-0.001", "1e10", "NaN", "Infinity", "-inf"}},
		{base(oidFloat4), []string{"1.5", "NaN"}},
		{base(oidFloat8), []string{"1.5", "1e300", "-Infinity"}},
		{base(oidBool), []string{"true", "false", "t", "yes", "0"}},
		{base(oidText), []string{"", "anything", "ä"}},
		{base(oidVarchar), []string{"abc"}},
		{base(oidBpchar), []string{"abc  "}},
		{base(oidName), []string{"abc"}},
		{base(oidUUID), []string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"}},
		{base(oidBytea), []string{`\x00ff`, "abc"}},
		{base(oidDate), []string{"2024-02-29", "infinity"}},
		{base(oidTime), []string{"10:00", "10:00:00.123"}},
		{base(oidTimetz), []string{"10:00+02", "10:00"}},
		{base(oidTimestamp), []string{"2024-01-01", "2024-01-01T10:00:00.123Z", "2024-01-01 10:00:00"}},
		{base(oidTimestamptz), []string{"2024-01-01", "2024-01-01T10:00:00.123Z", "2024-01-01 10:00:00+02", "2024-01-01T10:00:00-05:30"}},
		{base(oidInterval), []string{"1 day", "2 hours 30 minutes", "01:30:00", "-1 day"}},
		{base(oidInet), []string{"10.0.0.1", "10.0.0.0/8", "::1"}},
		{base(oidCIDR), []string{"10.0.0.0/8", "2001:db8::/32"}},
		{base(oidMacaddr), []string{"08:00:2b:01:02:03"}},
		{base(oidJSONB), []string{`{"a": [1, "b", null]}`}},
		{base(oidVarbit), []string{"0101"}},
		{mood, []string{"sad"}},
		{label, []string{"x"}},
		{list, []string{"{}", "{1,2}", `{"1",NULL}`}},
	} {
		typ := Of(c.typ, Options{Bytewise: true, UTC: true})
		if typ == nil {
			t.Errorf("type %d is not known", c.typ.OID)
			continue
		}
		for _, literal := range c.literals {
			if _, err := typ.In(literal); err != nil {
				t.Errorf("type %d: In(%q): %v", c.typ.OID, literal, err)
			}
		}
	}
}

// TestWhatDependsOnTheDatabaseIsUncertain where it is not known.
func TestWhatDependsOnTheDatabaseIsUncertain(t *testing.T) {
	for _, c := range []struct {
		oid     uint32
		literal string
	}{{oidTimestamptz, "2024-01-01"}, {oidTimestamptz, "2024-01-01 10:00:00"}, {oidTimetz, "10:00"}, {oidDate, "01/02/2024"}, {oidDate, "today"}, {oidTimestamp, "now"}} {
		if v, err := Of(base(c.oid), Options{}).In(c.literal); !errors.Is(err, ErrUncertain) {
			t.Errorf("type %d: In(%q) = %+v, %v; want uncertain", c.oid, c.literal, v, err)
		}
	}
	for _, oid := range []uint32{oidText, oidVarchar, oidBpchar} {
		if Of(base(oid), Options{}).Ordered() {
			t.Errorf("type %d is ordered in an unknown collation", oid)
		}
	}
	if !Of(base(oidName), Options{}).Ordered() {
		t.Error("name is not ordered, though its collation is always C")
	}
	for _, typ := range []*wal.Type{
		base(600), base(790),
		{OID: 114, Kind: wal.KindBase},
		{Kind: wal.KindComposite},
		{Kind: wal.KindMultirange},
		{Kind: wal.KindUnknown},
		{Kind: wal.KindArray, Element: base(600), Delimiter: ','},
		{OID: 20002, Name: "citext", Kind: wal.KindBase},
		{Kind: wal.KindDomain, Base: &wal.Type{Kind: wal.KindEnum}},
	} {
		if got := Of(typ, Options{}); got != nil {
			t.Errorf("Of(%+v) = %T; want none", typ, got)
		}
	}
}

// TestLabelsThatAreNotKnownYet are equal to themselves; their order is not.
func TestLabelsThatAreNotKnownYet(t *testing.T) {
	mood := Of(&wal.Type{OID: 20000, Kind: wal.KindEnum, Labels: []string{"sad", "ok"}}, Options{})
	v, ok := mood.Out("new")
	w, _ := mood.Out("newer")
	if !ok || !v.Unordered || v.Key == w.Key {
		t.Errorf("Out(new) = %+v, %t; want a value of its own without an order", v, ok)
	}
	if _, err := mood.In("new"); !errors.Is(err, ErrUncertain) {
		t.Errorf("In(new): %v; want uncertain: the label may be new", err)
	}
}
