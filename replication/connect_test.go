package replication

import (
	"strings"
	"testing"
)

func TestReplicationConfigPinsSettings(t *testing.T) {
	t.Setenv("PGOPTIONS", "-c datestyle=german")
	t.Setenv("PGTZ", "Asia/Tokyo")
	t.Setenv("PGAPPNAME", "somebody")
	const url = "postgres://app@localhost/app?timezone=Asia/Tokyo&DATESTYLE=German&application_name=else&pool_max_conns=3&search_path=app&work_mem=4MB"
	c, err := replicationConfig(url, "walcast/s/1", newSocketReader())
	if err != nil {
		t.Fatal(err)
	}
	want := pinned()
	want["replication"], want["application_name"], want["work_mem"] = "database", "walcast/s/1", "4MB"
	want["wal_sender_timeout"] = milliseconds(senderTimeout)
	for name, value := range want {
		if c.RuntimeParams[name] != value {
			t.Errorf("%s = %q; want %q", name, c.RuntimeParams[name], value)
		}
	}
	for name := range c.RuntimeParams {
		if _, ok := want[name]; !ok {
			t.Errorf("%s = %q goes out, too", name, c.RuntimeParams[name])
		}
	}
}

func TestReplicationConfigKeepsOptionsThatTheUserWrote(t *testing.T) {
	t.Setenv("PGOPTIONS", "-c datestyle=german")
	for _, url := range []string{"postgres://app@localhost/app?options=project%3Dx", "host=localhost user=app options='project=x'"} {
		c, err := replicationConfig(url, "a", newSocketReader())
		if err != nil || c.RuntimeParams["options"] != "project=x" {
			t.Errorf("options of %s = %q, %v; want project=x", url, c.RuntimeParams["options"], err)
		}
	}
}

func TestApplicationNameFits(t *testing.T) {
	if got := applicationName("walcast", "0a1b2c3d"); got != "walcast/walcast/0a1b2c3d" {
		t.Errorf("applicationName = %s", got)
	}
	got := applicationName(strings.Repeat("s", 63), "0a1b2c3d")
	if len(got) != 63 || !strings.HasSuffix(got, "/0a1b2c3d") {
		t.Errorf("applicationName = %s, %d bytes; want 63 with the whole instance", got, len(got))
	}
}

func TestInstancesDiffer(t *testing.T) {
	if a, b := newInstance(), newInstance(); a == b || len(a) != 8 {
		t.Errorf("instances %q and %q; want two of 8 digits", a, b)
	}
}

func TestCheckReported(t *testing.T) {
	for _, ok := range [][3]string{{"DateStyle", "ISO, YMD", "ISO, YMD"}, {"TimeZone", "Etc/UTC", "UTC"}} {
		if err := checkReported(ok[0], ok[1], ok[2]); err != nil {
			t.Errorf("checkReported(%q): %v", ok, err)
		}
	}
	err := checkReported("DateStyle", "German, DMY", "ISO, YMD")
	if err == nil || !strings.Contains(err.Error(), `DateStyle "German, DMY"`) {
		t.Errorf("checkReported = %v; want a fault that names both", err)
	}
}

func TestStartCommandQuotesTwice(t *testing.T) {
	got := startCommand("1st", 0x1_0000_0002, []string{"My Pub", `it's "b"`})
	want := `START_REPLICATION SLOT "1st" LOGICAL 1/2 (proto_version '1', publication_names '"My Pub","it''s ""b"""', messages 'true')`
	if got != want {
		t.Errorf("startCommand =\n%s; want\n%s", got, want)
	}
}
