package rowjson

import (
	"testing"

	"walcast/replication/wal"
)

// BenchmarkAppendValueOfArrays writes one array of eight elements.
func BenchmarkAppendValueOfArrays(b *testing.B) {
	for _, c := range []struct{ name, typ, text string }{
		{"numbers", "_int4", "{1,22,333,4444,55555,666666,NULL,8}"},
		{"texts", "_text", `{a,"b c",NULL,"d,e",f,"g h i",j,k}`},
		{"escaped", "_text", `{a,"b \"c\"",NULL,"d\\e",f,g,h,i}`},
		{"nested", "_int4", "{{1,2},{3,4},{5,6},{7,8}}"},
	} {
		b.Run(c.name, func(b *testing.B) {
			t, dst := wal.BuiltinTypeByName(c.typ), make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				dst = Encoding{}.AppendValue(dst[:0], t, c.text)
			}
		})
	}
}
