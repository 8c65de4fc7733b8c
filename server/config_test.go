package server

import (
	"strings"
	"testing"
)

// goodConfig is the least that a server needs.
func goodConfig() Config {
	c := DefaultConfig()
	c.Replication.DatabaseURL = "postgres://walcast@127.0.0.1:5432/app"
	c.Auth.Secrets = []string{testSecret}
	return c
}

func TestDefaultConfigNeedsADatabaseAndASecretOnly(t *testing.T) {
	if err := goodConfig().Validate(); err != nil {
		t.Errorf("Validate() = %v, want nil", err)
	}
	err := DefaultConfig().Validate()
	if err == nil {
		t.Fatal("Validate() = nil, want two errors")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "database-url: ") || !strings.HasPrefix(lines[1], "jwt-secret: ") {
		t.Errorf("Validate() = %q; want database-url and jwt-secret", lines)
	}
}

func TestValidateNamesEveryBadFieldAtOnce(t *testing.T) {
	c := goodConfig()
	c.Listen, c.MetricsListen, c.PoolSize, c.StartTimeout = "4000", "localhost:http2", 1, -1
	c.Log.Bytes, c.Log.Window = 1, -1
	c.Replication.Slot, c.Replication.Publications = "My Slot", nil
	c.Channels.MaxChannels = -1
	c.Gateway.QueueBytes = 0
	err := c.Validate()
	if err == nil {
		t.Fatal("Validate() = nil, want errors")
	}
	for _, name := range []string{
		"listen", "metrics-listen", "pool-size", "start-timeout", "log-size", "resume-window", "slot", "publication",
		"max-channels", "queue-size",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+name+": ") {
			t.Errorf("Validate() does not name %s in:\n%v", name, err)
		}
	}
}

func TestValidateNeverRepeatsAPassword(t *testing.T) {
	for _, url := range []string{
		"postgres://walcast:hunter2@127.0.0.1:notaport/app", "postgres://walcast:hun%zzter2@127.0.0.1/app",
		"host=127.0.0.1 password=hunter2 port=x", "hunter2",
	} {
		c := goodConfig()
		c.Replication.DatabaseURL = url
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "zzter2") {
			t.Errorf("Validate() with %q = %v; want an error without the password", url, err)
		}
	}
}

func TestInsecureNeedsNoSecret(t *testing.T) {
	c := goodConfig()
	c.Auth.Secrets, c.Auth.InsecureAnonymous = nil, true
	if err := c.Validate(); err != nil {
		t.Errorf("Validate() = %v, want nil", err)
	}
}
