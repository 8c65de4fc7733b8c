package replication

import (
	"encoding/hex"
	"testing"
	"time"
)

// instant is 2000-01-01 00:00:01 UTC, one second after Postgres' epoch.
var instant = time.Unix(946684801, 0)

func TestStatusUpdateSaysEverythingExplicitly(t *testing.T) {
	cases := []struct {
		name   string
		status standbyStatus
		want   string
	}{
		{
			"ordinary: flush stays 0",
			standbyStatus{write: 0x16_B374D848, now: instant},
			"64 00000026 72 00000016b374d848 0000000000000000 0000000000000000 00000000000f4240 00",
		},
		{
			"with a flush position and a reply asked for",
			standbyStatus{write: 0x30, flush: 0x20, now: instant, reply: true},
			"64 00000026 72 0000000000000030 0000000000000020 0000000000000000 00000000000f4240 01",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { wantHex(t, c.status.append(nil), c.want) })
	}
}

func TestConfirmationLetsGoOfTheFlushPositionAtOnce(t *testing.T) {
	wantHex(t, appendConfirmation(nil, 0x30, 0x20, instant),
		"64 00000026 72 0000000000000030 0000000000000020 0000000000000000 00000000000f4240 00"+
			"64 00000026 72 0000000000000030 0000000000000000 0000000000000000 00000000000f4240 00")
}

func wantHex(t *testing.T, got []byte, spaced string) {
	t.Helper()
	var want string
	for _, r := range spaced {
		if r != ' ' {
			want += string(r)
		}
	}
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

func TestParseKeepalive(t *testing.T) {
	data, err := hex.DecodeString("6b" + "00000016b374d848" + "00000000000f4240" + "01")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseKeepalive(data)
	if want := (keepalive{end: 0x16_B374D848, reply: true}); err != nil || got != want {
		t.Errorf("parseKeepalive = %+v, %v; want %+v", got, err, want)
	}
	for n := range data {
		if _, err := parseKeepalive(data[:n]); err == nil {
			t.Errorf("parseKeepalive of %d bytes succeeded", n)
		}
	}
}

func TestParseWALData(t *testing.T) {
	header := make([]byte, walDataHeader)
	if got, err := parseWALData(append(header, "BCI"...)); err != nil || string(got) != "BCI" {
		t.Errorf("parseWALData = %q, %v; want BCI", got, err)
	}
	if _, err := parseWALData(header[:walDataHeader-1]); err == nil {
		t.Error("parseWALData of a cut-off header succeeded")
	}
}
