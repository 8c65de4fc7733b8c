package datum

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"walcast/replication/wal"
)

// FuzzLiterals reads literals as every type. What a type takes must be equal to
// itself, and what it prints must read as the same value where it is canonical.
func FuzzLiterals(f *testing.F) {
	for _, list := range samples {
		for _, s := range list {
			f.Add(s)
		}
	}
	for _, c := range hostile {
		f.Add(c.text(100))
	}
	var types []Type
	for _, oid := range []uint32{
		oidBool, oidBytea, oidChar, oidName, oidInt8, oidInt2, oidInt4, oidText, oidOID, oidCIDR, oidFloat4, oidFloat8, oidMacaddr8, oidMacaddr, oidInet, oidBpchar, oidVarchar,
		oidDate, oidTime, oidTimestamp, oidTimestamptz, oidInterval, oidTimetz, oidBit, oidVarbit, oidNumeric, oidUUID, oidJSONB,
	} {
		element := &wal.Type{OID: oid, Kind: wal.KindBase}
		types = append(types, Of(element, Options{Bytewise: true, UTC: true}),
			Of(&wal.Type{Kind: wal.KindArray, Element: element, Delimiter: ','}, Options{}),
			Of(&wal.Type{Kind: wal.KindRange, Element: element}, Options{}))
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range types {
			v, err := typ.In(s)
			if err == nil && typ.Compare(v, v) != 0 {
				t.Errorf("%T: %q is not equal to itself", typ, s)
			}
			if most := 32*len(s) + 256; len(v.S) > most {
				t.Errorf("%T: %q has a key of %d bytes; want at most %d", typ, s, len(v.S), most)
			}
			if v, ok := typ.Out(s); ok && typ.Compare(v, v) != 0 {
				t.Errorf("%T: the printed %q is not equal to itself", typ, s)
			}
		}
	})
}

// FuzzJSON holds the parser against the standard library's.
func FuzzJSON(f *testing.F) {
	for _, s := range samples["jsonb"] {
		f.Add(s)
	}
	f.Add(`{"a": [1, {"b": "\u00e4\n"}], "c": -1.5e3}`)
	f.Fuzz(func(t *testing.T, s string) {
		doc, err := jsonb{}.In(s)
		if err != nil {
			return // it may leave anything to Postgres
		}
		if !json.Valid([]byte(s)) || !utf8.ValidString(s) {
			t.Errorf("In(%q) takes what is not JSON", s)
		}
		if contains, certain := (jsonb{}).Contains(doc, doc); !contains && certain {
			t.Errorf("%q does not contain itself", s)
		}
		for _, p := range []Path{{}, {AsText: true}, {Steps: []Step{{Key: "a"}}}, {Steps: []Step{{Index: -1, IsIndex: true}}, AsText: true}} {
			if text, found := p.Extract(s); found && !p.AsText && !json.Valid([]byte(text)) {
				t.Errorf("Extract(%q, %+v) = %q; want JSON", s, p, text)
			}
		}
	})
}
