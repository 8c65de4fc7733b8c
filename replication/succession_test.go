package replication

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPublicationsOfACommand(t *testing.T) {
	names := []string{"supabase_realtime", `it's "quoted", twice`, "Ä"}
	cases := []struct {
		name, command string
		want          []string
	}{
		{"our own", startCommand("walcast", 0, names), names},
		{"one", startCommand("walcast", 17, names[:1]), names[:1]},
		{"cut short by Postgres", startCommand("walcast", 0, names)[:90], nil},
		{"of another program", `START_REPLICATION SLOT "s" LOGICAL 0/0 (proto_version '1', publication_names '"p"')`, nil},
		{"another command", `CREATE_REPLICATION_SLOT "s" LOGICAL pgoutput`, nil},
		{"a statement that looks like one", `select 'publication_names ''"p"'', messages ''true'')'`, nil},
		{"hidden", "<insufficient privilege>", nil},
		{"none", "", nil},
	}
	for _, c := range cases {
		got, ok := publicationsOf(c.command)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != (c.want != nil) {
			t.Errorf("%s: publicationsOf(%s) = %q, %v; want %q", c.name, c.command, got, ok, c.want)
		}
	}
}
