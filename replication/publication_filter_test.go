package replication

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/wal"
)

// TestWhatEndsAStreamIsOfARowFilter if it is a data exception that Postgres raised while it
// decoded, and not in the answer to a statement.
func TestWhatEndsAStreamIsOfARowFilter(t *testing.T) {
	division := pg("22012", "division by zero")
	for _, c := range []struct {
		name    string
		err     error
		version int
		want    string // cause
	}{
		{"decoding", &decodingError{division}, 150000, causeFilter},
		{"decoding, a parameter of a function", &decodingError{pg("22023", "cannot cast jsonb string to type integer")}, 180000, causeFilter},
		{"a statement", division, 150000, causeUnknown},
		{"decoding, before there were row filters", &decodingError{division}, 140000, causeUnknown},
		{"decoding, a character", &decodingError{pg("22P05", "no equivalent in encoding")}, 150000, causeEncoding},
		{"decoding, lists of columns", &decodingError{pg("0A000", "cannot use different column lists")}, 150000, causeLists},
		{"decoding, the end of the server", &decodingError{pg("57P01", "terminating connection")}, 150000, causeTerminated},
		{"the network", errors.New("broken pipe"), 150000, causeUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := filterWatch{slot: "s"}
			w.began(c.version, 100)
			f := classify(w.ended(fmt.Errorf("read from slot: %w", c.err), 0, false), target{})
			if f.cause != c.want {
				t.Errorf("cause %s; want %s", f.cause, c.want)
			}
			if f.cause == causeFilter && (f.remedy != retryFast || strings.Contains(f.Error(), "jsonb")) {
				t.Errorf("remedy %d, %q; want another try at first, and nothing of what Postgres says of the row", f.remedy, f)
			}
		})
	}
}

// TestARowFilterCountsAsMended when it is there no more as it was, or when nobody knows, and
// not before.
func TestARowFilterCountsAsMended(t *testing.T) {
	bad := rowFilter{publication: "p", table: "public.a", text: "(1 / a) > 0", operations: "insert", row: "7"}
	other := rowFilter{publication: "p", table: "public.b", text: "b > 0", operations: "insert", row: "8"}
	with := func(f rowFilter, change func(*rowFilter)) rowFilter { change(&f); return f }
	anew := with(bad, func(f *rowFilter) { f.row = "9" })
	at := func(lsn wal.LSN) error {
		return &decodingError{&pgconn.PgError{Code: "22012", Where: `slot "s", output plugin "pgoutput", in the change callback, associated LSN ` + lsn.String()}}
	}
	const before, behind = 50, 150 // the stream began at 100
	for _, c := range []struct {
		name       string
		at         wal.LSN
		settled    bool
		first, now []rowFilter
		want       bool
	}{
		{"as it was", behind, false, []rowFilter{bad}, []rowFilter{bad}, false},
		{"gone", behind, false, []rowFilter{bad}, nil, true},
		{"gone, with another one left", behind, false, []rowFilter{bad, other}, []rowFilter{other}, true},
		{"another one added", behind, false, []rowFilter{bad}, []rowFilter{bad, other}, false},
		{"made anew with the same text", behind, false, []rowFilter{bad}, []rowFilter{anew}, true},
		{"for other operations", behind, false, []rowFilter{bad}, []rowFilter{with(bad, func(f *rowFilter) { f.operations = "update" })}, true},
		{"gone before the first look", behind, false, nil, nil, true},
		{"gone before the first look, and another one added", behind, false, nil, []rowFilter{other}, true},
		{"as it was, or not, as the change was there before", before, false, []rowFilter{bad}, []rowFilter{bad}, true},
		{"another one, as it was, or not", before, false, []rowFilter{other}, []rowFilter{other}, true},
		{"as it was, after a takeover", before, true, []rowFilter{bad}, []rowFilter{bad}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := filterWatch{slot: "s"}
			w.began(150000, 100)
			ends := func() *fault { return classify(w.ended(at(c.at), 0, c.settled), target{}) }
			if f := ends(); f.remedy != retryFast {
				t.Errorf("remedy %d at first; want another try", f.remedy)
			}
			if mended, err := w.look(c.first); mended || err != nil {
				t.Errorf("look = %v, %v before it is certain", mended, err)
			}
			if f := ends(); f.remedy != operate || f.cause != causeFilter || !strings.Contains(f.Error(), c.at.String()) {
				t.Errorf("remedy %d, %q; want an operator to act on it", f.remedy, f)
			}
			mended, err := w.look(c.now)
			if mended != c.want || (err == nil) != c.want {
				t.Errorf("look = %v, %v; want mended %v, else the fault", mended, err, c.want)
			}
		})
	}
}

// TestAnotherChangeThatCannotBeDecodedBeginsAnew what is known of the fault.
func TestAnotherChangeThatCannotBeDecodedBeginsAnew(t *testing.T) {
	w := filterWatch{slot: "s"}
	w.began(150000, 100)
	for _, e := range []*pgconn.PgError{
		{Code: "22012", Where: "associated LSN 0/96"}, {Code: "22012", Where: "associated LSN 0/97"}, {Code: "22003", Where: "associated LSN 0/97"},
	} {
		if f := classify(w.ended(&decodingError{e}, 0, false), target{}); f.remedy != retryFast {
			t.Errorf("%s: remedy %d; want another try, as it is another fault", f, f.remedy)
		}
		if mended, err := w.look(nil); mended || err != nil {
			t.Errorf("look = %v, %v before it is certain", mended, err)
		}
	}
}

func TestThePlaceOfAChangeIsReadInAnyLanguage(t *testing.T) {
	for where, want := range map[string]wal.LSN{
		`slot "a", output plugin "pgoutput", in the change callback, associated LSN 0/1924D58`: 0x1924D58,
		`Slot »s«, Ausgabe-Plugin »pgoutput«, im Callback change, zugehörige LSN 16/B374D848`:  0x16B374D848,
		"SQL function \"f\" statement 1\nslot \"s\", …, associated LSN 1/0000000A":             0x10000000A,
		`slot "0_1", output plugin "pgoutput", in the startup callback`:                        0,
		"": 0,
	} {
		if got := lsnOf(where); got != want {
			t.Errorf("lsnOf(%s) = %s; want %s", where, got, want)
		}
	}
}
