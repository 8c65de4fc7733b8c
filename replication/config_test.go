package replication

import (
	"strings"
	"testing"
	"time"
)

// validConfig is the default one with a database.
func validConfig() Config {
	c := DefaultConfig()
	c.DatabaseURL = "postgres://app:secret@localhost:5432/app"
	return c
}

func TestDefaultConfigNeedsADatabaseOnly(t *testing.T) {
	if err := validConfig().Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
}

func TestValidateNamesTheSetting(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(*Config)
		want  string
	}{
		{"no database", func(c *Config) { c.DatabaseURL = "" }, "database-url: not set"},
		{"unreadable database", func(c *Config) { c.DatabaseURL = "postgres://app:se%ret@h/d" }, "database-url: cannot be read"},
		{"slot with capitals", func(c *Config) { c.Slot = "Walcast" }, `slot: want 1 to 63 of a-z, 0-9 and _, got "Walcast"`},
		{"empty slot", func(c *Config) { c.Slot = "" }, "slot: want"},
		{"long slot", func(c *Config) { c.Slot = strings.Repeat("s", 64) }, "slot: want"},
		{"negative slot size", func(c *Config) { c.SlotWarnBytes = -1 }, "slot-warn-size: want 0 (never) or more"},
		{"no publication", func(c *Config) { c.Publications = nil }, "publication: want at least one"},
		{"nameless publication", func(c *Config) { c.Publications = []string{"a", ""} }, "publication: want names"},
		{"publication twice", func(c *Config) { c.Publications = []string{"a", "a"} }, `publication: "a" is listed twice`},
		{"bad table list", func(c *Config) { c.CreatePublication = "orders," }, "create-publication: want none, all-tables or a comma separated list"},
		{"heartbeat too often", func(c *Config) { c.Heartbeat = time.Millisecond }, "heartbeat: want 0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			config := validConfig()
			c.spoil(&config)
			err := config.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("Validate() = %v; want %s…", err, c.want)
			}
		})
	}
}

func TestValidateNamesEveryBadSettingAtOnce(t *testing.T) {
	err := Config{DatabaseURL: "x=y z", Slot: "-", Heartbeat: -1}.Validate()
	for _, setting := range []string{"database-url:", "slot:", "publication:", "heartbeat:"} {
		if err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("Validate() = %v; want it to name %s", err, setting)
		}
	}
}

func TestValidateNeverPrintsThePassword(t *testing.T) {
	for _, url := range []string{"postgres://app:hunter2%zz@h/d", "postgres://app:hunter2@h:port/d", "password=hunter2 port='", "postgres://app:hunter2/3@h/d"} {
		c := validConfig()
		c.DatabaseURL = url
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Validate() of %q = %v; want an error without the password", url, err)
		}
	}
}

// TestAPasswordThatIsNotEscapedIsRefused: what follows its @ or / would be taken
// for the host, and named in errors and logs.
func TestAPasswordThatIsNotEscapedIsRefused(t *testing.T) {
	for _, url := range []string{
		"postgres://app:p@ssTAIL@host/db", "postgresql://app:p@ssTAIL@host", "postgres://app:p@ss/TAIL@host/db", "postgres://app:5432/TAIL@host/db",
		"postgres://app:p/TAIL@host:5432/db?sslmode=disable", "postgres://ap@TAIL:p@host/db", "postgres://app:p?x/TAIL@host/db",
		"postgres://app:1/p?a=TAIL@host/db", "postgres://app:1/p#TAIL@host/db", "postgres://app:p@s#TAIL@host/db",
	} {
		c := validConfig()
		c.DatabaseURL = url
		err := c.Validate()
		if err == nil || strings.Contains(err.Error(), "TAIL") || !strings.Contains(err.Error(), "percent-encoded: @ is %40, / is %2F") {
			t.Errorf("Validate() of %q = %v; want the sentence about percent-encoding", url, err)
		}
	}
	for _, url := range []string{
		"postgres://app:p%40ss%2FTAIL@host/db", "postgres://host/db?user=a@b&password=p@ss", "postgres:///db?host=/var/run/postgresql&user=app", "postgres://host",
		"postgres://app:p@h1:5432,h2:5432/db?target_session_attrs=any&options=-c%20search_path%3Dapp", "host=h user=app password=p@ss/x", "user='a b' password='http://x@y'",
	} {
		c := validConfig()
		c.DatabaseURL = url
		if err := c.Validate(); err != nil {
			t.Errorf("Validate() of %q = %v; want none", url, err)
		}
	}
}
