package livedrill

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// verdict is what is wrong with what a client holds, by one opinion.
type verdict map[kind][]string

func (v verdict) size() (n int) {
	for _, texts := range v {
		n += len(texts)
	}
	return n
}

func (v verdict) add(k kind, format string, args ...any) {
	v[k] = append(v[k], fmt.Sprintf(format, args...))
}

// judge compares what a client holds with what its subject selects.
func judge(held map[string]string, o opinion) verdict {
	v := verdict{}
	if maps.Equal(held, o.rows) {
		return v
	}
	whole := map[uint32]bool{} // transactions of which the client holds what they left
	for key, want := range o.rows {
		if held[key] == want {
			whole[o.present[key].xid] = true
		}
	}
	parts := map[uint32]bool{}
	for _, key := range slices.Sorted(maps.Keys(o.rows)) {
		got, has := held[key]
		xid := o.present[key].xid
		switch {
		case !has:
			v.add(lost, "row %s: %.200s", key, o.rows[key])
		case got == o.rows[key]:
		case whole[xid] && !parts[xid]:
			parts[xid] = true
			v.add(torn, "of transaction %d row %s is %.200s, which left %.200s, and others are as it left them", xid, key, got, o.rows[key])
		case !whole[xid]:
			v.add(lost, "row %s is %.200s; transaction %d has left %.200s", key, got, xid, o.rows[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(held)) {
		if _, wanted := o.rows[key]; wanted {
			continue
		}
		if p, is := o.present[key]; is && p.matches && p.is(held[key]) {
			v.add(leaked, "row %s: %.200s", key, held[key])
		} else {
			v.add(phantom, "row %s: %.200s", key, held[key])
		}
	}
	return v
}

// is reports whether a record has the values of the row, of the columns that it has.
func (p present) is(text string) bool {
	record, err := decode([]byte(text))
	if err != nil {
		return false
	}
	for name, value := range record {
		if !bytes.Equal(value, p.record[name]) {
			return false
		}
	}
	return true
}
