package main

import (
	"slices"
	"strings"
	"testing"
)

// TestServeReadsTheVariablesOfSupabasesStack sets what its compose file sets for Realtime.
func TestServeReadsTheVariablesOfSupabasesStack(t *testing.T) {
	cleared(t)
	for name, value := range map[string]string{
		"PORT": "4100", "DB_HOST": "db", "DB_PORT": "5433", "DB_USER": "supabase_admin", "DB_PASSWORD": "p@ss/word?", "DB_NAME": "app", "DB_AFTER_CONNECT_QUERY": "SET search_path TO _realtime",
		"API_JWT_SECRET": "a-secret-of-32-characters-at-least", "METRICS_JWT_SECRET": "another-secret", "SLOT_NAME_SUFFIX": "blue", "RLIMIT_NOFILE": "10000", "APP_NAME": "realtime",
	} {
		t.Setenv(name, value)
	}
	got, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if want := "postgres://supabase_admin:p%40ss%2Fword%3F@db:5433/app"; got.Replication.DatabaseURL != want {
		t.Errorf("database-url = %s; want %s", got.Replication.DatabaseURL, want)
	}
	if got.Listen != ":4100" || got.Replication.Slot != "walcast_blue" || got.MetricsSecret != "another-secret" || !slices.Equal(got.Auth.Secrets, []string{"a-secret-of-32-characters-at-least"}) {
		t.Errorf("listen = %s, slot = %s, metrics-jwt-secret = %s, secrets = %q; want those of the environment", got.Listen, got.Replication.Slot, got.MetricsSecret, got.Auth.Secrets)
	}
	t.Setenv("DB_SSL", "true")
	if got, err := parse(t); err != nil || !strings.HasSuffix(got.Replication.DatabaseURL, "/app?sslmode=require") {
		t.Errorf("with DB_SSL database-url = %s, %v; want encryption", got.Replication.DatabaseURL, err)
	}

	for name, value := range map[string]string{"WALCAST_LISTEN": ":4200", "DATABASE_URL": "postgres://own@host/db", "WALCAST_JWT_SECRET": "our-own-secret-of-32-characters!!"} {
		t.Setenv(name, value)
	}
	got, err = parse(t, "--slot=ours")
	if err != nil || got.Listen != ":4200" || got.Replication.Slot != "ours" || got.Replication.DatabaseURL != "postgres://own@host/db" || got.Auth.Secrets[0] != "our-own-secret-of-32-characters!!" {
		t.Errorf("beside walcast's own: listen = %s, slot = %s, database-url = %s, secrets = %q, %v; want our own", got.Listen, got.Replication.Slot, got.Replication.DatabaseURL, got.Auth.Secrets, err)
	}
}

func TestAPortThatIsNoneIsNamed(t *testing.T) {
	cleared(t)
	for _, port := range []string{"http", "0", "65536", "-1"} {
		t.Setenv("PORT", port)
		if _, err := parse(t, needed()...); err == nil || !strings.Contains(err.Error(), "PORT") {
			t.Errorf("PORT=%s: %v; want an error that names it", port, err)
		}
	}
}
