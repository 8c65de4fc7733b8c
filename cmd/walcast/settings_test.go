package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"walcast/auth"
	"walcast/internal/await"
	"walcast/server"
)

// parse reads a serve command line into its config.
func parse(t *testing.T, args ...string) (server.Config, error) {
	t.Helper()
	var cli commands
	parser, err := newParser(&cli, terminal{out: await.NewOutput(), err: await.NewOutput()}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		return server.Config{}, err
	}
	return cli.Serve.config()
}

// needed are the settings without which serve does not start.
func needed(more ...string) []string {
	return append([]string{"--database-url=postgres://u:p@db/app", "--jwt-secret=0123456789abcdef0123456789abcdef"}, more...)
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "walcast.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreThoseOfThePackages(t *testing.T) {
	cleared(t)
	got, err := parse(t, needed()...)
	if err != nil {
		t.Fatal(err)
	}
	want := server.DefaultConfig()
	want.Version = version
	want.Replication.DatabaseURL = "postgres://u:p@db/app"
	want.Replication.CreatePublication = "none"
	want.Auth.Secrets = []string{"0123456789abcdef0123456789abcdef"}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(auth.Config{}, "Logger")); diff != "" {
		t.Errorf("config of serve without settings differs from server.DefaultConfig (-want +got):\n%s", diff)
	}
	if got.Listen != ":4000" || got.PoolSize != 8 || got.Replication.Slot != "walcast" ||
		got.Replication.Publications[0] != "supabase_realtime" || got.Log.Window.String() != "2m0s" || got.Log.Bytes != 64<<20 {
		t.Errorf("defaults are %+v; want those of the command line's contract", got)
	}
}

func TestEveryFieldHasASetting(t *testing.T) {
	cleared(t)
	got, err := parse(t, needed("--slot=s", "--slot-warn-size=9GiB", "--slot-failover", "--publication=p", "--create-publication=all-tables", "--pool-size=9",
		"--start-timeout=9s", "--migrate", "--heartbeat=9s", "--resume-window=9s", "--log-size=9MiB",
		"--resume-wait=9s", "--state-dir=d",
		"--jwks={\"keys\":[]}", "--jwks-url=https://h/k", "--jwt-audience=a", "--jwt-issuer=i", "--api-keys=k=anon",
		"--listen=:9", "--metrics-listen=:99", "--metrics-jwt-secret=m", "--origins=https://h", "--trusted-proxies=10.0.0.1", "--tls-cert=c", "--tls-key=k",
		"--compression", "--drain-timeout=9s", "--max-sessions=9", "--max-sessions-per-address=9",
		"--queue-size=9MiB", "--queues-size=99MiB", "--queue-full=drop-broadcasts", "--max-message-size=9MiB", "--messages-per-second=9", "--bytes-per-second=9", "--joins-per-second=9", "--idle-timeout=90s",
		"--ping-interval=9s", "--write-timeout=9s", "--max-channels=9", "--max-bindings=9", "--max-held-size=9", "--max-held-total=9", "--max-change-size=9MiB",
		"--max-broadcast-size=9MiB", "--private-only", "--strict-bindings", "--presence-rate=9", "--presence-grace=9s", "--access-age=9s", "--read-check=9s", "--policy-timeout=9s", "--snapshot-connections=9", "--snapshot-rows=9", "--snapshot-memory=9MiB", "--snapshot-timeout=9s", "--view-keys=9", "--view-recheck=9s", "--logical-message-roles=r",
		"--cluster-listen=:9", "--cluster-peers=h:9", "--cluster-secret=0123456789abcdef", "--cluster-tls-cert=c", "--cluster-tls-key=k", "--cluster-tls-ca=a", "--cluster-name=n", "--ready-lag=9s")...)
	if err != nil {
		t.Fatal(err)
	}
	// What is no setting: constants, what serve and server set themselves, or what
	// is at odds with the secret that is given here.
	others := map[string]bool{
		"Page": true, "Channels.WriteCheck": true, "Channels.ReadAway": true, "Gateway.CloseTimeout": true, "Gateway.HeaderTimeout": true,
		"Version": true, "LogLevel": true, "Memory": true, "Cluster.NATSURL": true, "Cluster.NATSCredentialsFile": true,
		"Auth.Logger": true, "Auth.InsecureAnonymous": true,
		"Replication.OptionalPublications": true, "Replication.TypesFound": true, "Replication.Relay": true, "Replication.RelayBytes": true, "Replication.ReadyLag": true, "Replication.Follows": true, "Replication.SlotHeld": true, "Replication.StandsBy": true, "Replication.PeerFound": true, "Replication.PeerClients": true,
		"Channels.Locale": true, "Channels.ClientsBus": true, "Channels.Nodes": true, "Channels.Operators": true, "Channels.StateFile": true, "Channels.Archive": true, "Channels.Bus": true, "Channels.PresenceBus": true,
		"Channels.PrivateLogicalMessages": true, "Channels.Feed": true, "Channels.Flush": true, "Channels.SlotIsTaken": true, "Channels.SnapshotPool": true, "Channels.Publications": true, "Policy.StateFile": true,
	}
	for name, same := range equalFields("", reflect.ValueOf(server.DefaultConfig()), reflect.ValueOf(got)) {
		if same && !others[name] {
			t.Errorf("server.Config.%s has no setting", name)
		}
	}
}

// equalFields says for each field of a config, and of the packages' configs in
// it, whether the two have the same value.
func equalFields(prefix string, a, b reflect.Value) map[string]bool {
	equal := map[string]bool{}
	for i := range a.NumField() {
		field := a.Type().Field(i)
		name := prefix + field.Name
		switch {
		case field.Anonymous:
			maps.Copy(equal, equalFields(prefix, a.Field(i), b.Field(i)))
			continue
		case prefix == "" && field.Type.Kind() == reflect.Struct:
			maps.Copy(equal, equalFields(name+".", a.Field(i), b.Field(i)))
			continue
		}
		equal[name] = reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface())
	}
	return equal
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	cleared(t)
	path := writeFile(t, "slot: from_file\npublication: [a, b]\nlog:\n  size: 1MiB\n")
	steps := []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"default", nil, nil, "walcast"},
		{"file", nil, []string{"--config", path}, "from_file"},
		{"environment", map[string]string{"WALCAST_SLOT": "from_env"}, []string{"--config", path}, "from_env"},
		{"flag", map[string]string{"WALCAST_SLOT": "from_env"}, []string{"--config", path, "--slot=from_flag"}, "from_flag"},
		{"file named by the environment", map[string]string{"WALCAST_CONFIG": path}, nil, "from_file"},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			for k, v := range s.env {
				t.Setenv(k, v)
			}
			got, err := parse(t, needed(s.args...)...)
			if err != nil || got.Replication.Slot != s.want {
				t.Fatalf("slot = %q, %v; want %q", got.Replication.Slot, err, s.want)
			}
			if s.name != "file" {
				return
			}
			if diff := cmp.Diff([]string{"a", "b"}, got.Replication.Publications); diff != "" {
				t.Errorf("publications differ (-want +got):\n%s", diff)
			}
			if got.Log.Bytes != 1<<20 {
				t.Errorf("log size = %d; want 1 MiB from the nested key", got.Log.Bytes)
			}
		})
	}
}

func TestDatabaseURLHasTwoNamesInTheEnvironment(t *testing.T) {
	cleared(t)
	t.Setenv("DATABASE_URL", "postgres://customary/db")
	if got, err := parse(t, "--jwt-secret=x"); err != nil || got.Replication.DatabaseURL != "postgres://customary/db" {
		t.Errorf("URL = %q, %v; want DATABASE_URL", got.Replication.DatabaseURL, err)
	}
	t.Setenv("WALCAST_DATABASE_URL", "postgres://ours/db")
	if got, err := parse(t, "--jwt-secret=x"); err != nil || got.Replication.DatabaseURL != "postgres://ours/db" {
		t.Errorf("URL = %q, %v; want WALCAST_DATABASE_URL", got.Replication.DatabaseURL, err)
	}
}

func TestSecretsComeFromFilesToo(t *testing.T) {
	cleared(t)
	path := func(text string) string { return writeFile(t, text) }
	got, err := parse(t,
		"--database-url-file", path("postgres://u:p@filed/app\n"),
		"--jwt-secret-file", path("newest\n"),
		"--jwt-extra-secrets-file", path("older\n\noldest,with comma\n"),
		"--jwks-file", path(`{"keys":[]}`),
		"--api-keys-file", path("sb_publishable_x=anon\nsb_secret_y=service_role\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Replication.DatabaseURL != "postgres://u:p@filed/app" {
		t.Errorf("URL = %q", got.Replication.DatabaseURL)
	}
	want := auth.Config{
		Secrets: []string{"newest", "older", "oldest,with comma"},
		JWKS:    `{"keys":[]}`,
		APIKeys: map[string]string{"sb_publishable_x": "anon", "sb_secret_y": "service_role"},
	}
	if diff := cmp.Diff(want, got.Auth, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("auth config differs (-want +got):\n%s", diff)
	}
}

func TestEachWrongSettingIsNamedInOneSentence(t *testing.T) {
	cleared(t)
	bad := func(args ...string) []string { return needed(args...) }
	for _, c := range []struct {
		name string
		args []string
		want []string // parts of the one line
	}{
		{"no database", []string{"--jwt-secret=x"}, []string{"--database-url: not set"}},
		{"no secret", []string{"--database-url=postgres://h/d"}, []string{"--jwt-secret: not set", "--insecure-no-auth"}},
		{"unreadable URL", []string{"--jwt-secret=x", "--database-url=postgres://u:hunter2@h:port/d"}, []string{"--database-url:"}},
		{"secret and no auth", bad("--insecure-no-auth"), []string{"--insecure-no-auth:"}},
		{"secret twice", bad("--jwt-secret-file=/dev/null"), []string{"--jwt-secret:", "--jwt-secret-file"}},
		{"missing secret file", []string{"--database-url=postgres://h/d", "--jwt-secret-file=/nowhere"}, []string{"--jwt-secret-file:", "/nowhere"}},
		{"empty secret file", []string{"--database-url=postgres://h/d", "--jwt-secret-file=/dev/null"}, []string{"--jwt-secret-file:", "empty"}},
		{"public key as secret", []string{"--database-url=postgres://h/d", "--jwt-secret=-----BEGIN PUBLIC KEY-----"}, []string{"--jwt-secret:", "PEM"}},
		{"broken key set", bad("--jwks={"), []string{"--jwks:"}},
		{"relative key set URL", bad("--jwks-url=keys"), []string{"--jwks-url:"}},
		{"broken API keys", bad("--api-keys=a=anon,hunter2"), []string{"--api-keys:", "number 2"}},
		{"slot", bad("--slot=Bad-Name"), []string{"--slot:", "Bad-Name"}},
		{"no publication", bad("--publication="), []string{"--publication:"}},
		{"publication twice", bad("--publication=a,a"), []string{"--publication:"}},
		{"tables to publish", bad("--create-publication=a..b"), []string{"--create-publication:"}},
		{"pool", bad("--pool-size=1"), []string{"--pool-size:"}},
		{"start timeout", bad("--start-timeout=-1s"), []string{"--start-timeout:"}},
		{"resume wait", bad("--resume-wait=-1s"), []string{"--resume-wait:"}},
		{"presence rate", bad("--presence-rate=-1"), []string{"--presence-rate:"}},
		{"presence grace", bad("--presence-grace=6m"), []string{"--presence-grace:"}},
		{"heartbeat", bad("--heartbeat=1ms"), []string{"--heartbeat:"}},
		{"snapshot connections", bad("--snapshot-connections=0"), []string{"--snapshot-connections:"}},
		{"snapshot rows", bad("--snapshot-rows=0"), []string{"--snapshot-rows:"}},
		{"snapshot memory", bad("--snapshot-memory=1"), []string{"--snapshot-memory:"}},
		{"view recheck", bad("--view-recheck=1ms"), []string{"--view-recheck:"}},
		{"view keys", bad("--view-keys=0"), []string{"--view-keys:"}},
		{"snapshot timeout", bad("--snapshot-timeout=1ms"), []string{"--snapshot-timeout:"}},
		{"window", bad("--resume-window=-1s"), []string{"--resume-window:"}},
		{"log size", bad("--log-size=12"), []string{"--log-size:"}},
		{"not a size", bad("--log-size=much"), []string{"--log-size", "want a size", "much"}},
		{"not a duration", bad("--resume-window=soon"), []string{"--resume-window", "soon"}},
		{"not a number", bad("--pool-size=few"), []string{"--pool-size", "few"}},
		{"listen", bad("--listen=nowhere"), []string{"--listen:"}},
		{"metrics listen", bad("--metrics-listen=nowhere"), []string{"--metrics-listen:"}},
		{"origin", bad("--origins=app.example"), []string{"--origins:", "app.example"}},
		{"proxies", bad("--trusted-proxies=10.0.0.0/8,inside"), []string{"--trusted-proxies:", "inside"}},
		{"half of TLS", bad("--tls-cert=cert.pem"), []string{"--tls-cert, --tls-key:"}},
		{"queue", bad("--queue-size=1"), []string{"--queue-size:"}},
		{"queues", bad("--queues-size=1MiB"), []string{"--queues-size:"}},
		{"message", bad("--max-message-size=1"), []string{"--max-message-size:"}},
		{"sessions", bad("--max-sessions=-1"), []string{"--max-sessions:"}},
		{"sessions of an address", bad("--max-sessions-per-address=-1"), []string{"--max-sessions-per-address:"}},
		{"rate", bad("--messages-per-second=-1"), []string{"--messages-per-second:"}},
		{"byte rate", bad("--bytes-per-second=-1"), []string{"--bytes-per-second"}},
		{"idle", bad("--idle-timeout=20s"), []string{"--ping-interval:", "idle-timeout (20s)"}},
		{"ping", bad("--ping-interval=2m"), []string{"--ping-interval:"}},
		{"write timeout", bad("--write-timeout=0s"), []string{"--write-timeout:"}},
		{"drain timeout", bad("--drain-timeout=0s"), []string{"--drain-timeout:"}},
		{"channels", bad("--max-channels=-1"), []string{"--max-channels:"}},
		{"change size", bad("--max-change-size=1"), []string{"--max-change-size:"}},
		{"broadcast size", bad("--max-broadcast-size=1"), []string{"--max-broadcast-size:"}},
		{"level", bad("--log-level=loud"), []string{"--log-level", "loud"}},
		{"format", bad("--log-format=xml"), []string{"--log-format", "xml"}},
		{"unknown flag", bad("--slto=x"), []string{"--slto"}},
		{"missing file", bad("--config=/nowhere.yaml"), []string{"--config:", "/nowhere.yaml"}},
		{"unknown key", bad("--config=" + writeFile(t, "jwt: {sceret: hunter2}")), []string{"--config:", `"jwt-sceret"`}},
		{"key twice", bad("--config=" + writeFile(t, "jwt-issuer: a\njwt: {issuer: b}")), []string{"--config:", "jwt-issuer: set twice"}},
		{"key without value", bad("--config=" + writeFile(t, "slot:")), []string{"--config:", "slot: has no value"}},
		{"key twice in the file", bad("--config=" + writeFile(t, "slot: a\nlog:\n  size: 1MiB\nslot: b")), []string{"--config:", "slot is set twice, in lines 1 and 4"}},
		{"nested key twice in the file", bad("--config=" + writeFile(t, "log:\n  size: 1MiB\n  size: 2MiB")), []string{"--config:", "size is set twice, in lines 2 and 3"}},
		{"API key twice in the file", bad("--config=" + writeFile(t, "api-keys:\n  hunter2: anon\n  hunter2: anon")), []string{"--config:", "a key is set twice, in lines 2 and 3"}},
		{"not YAML", bad("--config=" + writeFile(t, "hunter2")), []string{"--config:", "key: value"}},
		{"flag of another command in the file", bad("--config=" + writeFile(t, "demo: true")), []string{"--config:", `"demo"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := command(t, append([]string{"serve"}, c.args...)...)
			if code != exitUsage || out != "" || strings.Count(errOut, "\n") != 1 {
				t.Errorf("serve %v exits %d with %q and %q; want %d and one line", c.args, code, out, errOut, exitUsage)
			}
			for _, part := range append(c.want, "walcast: ") {
				if !strings.Contains(errOut, part) {
					t.Errorf("message %q does not say %q", errOut, part)
				}
			}
			if strings.Contains(errOut, "hunter2") {
				t.Errorf("message %q shows a secret", errOut)
			}
		})
	}
}

func TestSeveralWrongSettingsAreAllNamed(t *testing.T) {
	cleared(t)
	_, _, errOut := command(t, "serve", "--slot=A", "--api-keys=x", "--trusted-proxies=y")
	for _, want := range []string{"--api-keys:", "--trusted-proxies:"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("message %q does not name %s", errOut, want)
		}
	}
	for line := range strings.Lines(errOut) {
		if !strings.HasPrefix(line, "walcast: --") {
			t.Errorf("line %q does not begin with the setting", line)
		}
	}
}

func TestHelpShowsNoSecret(t *testing.T) {
	cleared(t)
	t.Setenv("WALCAST_JWT_SECRET", "hunter2")
	t.Setenv("DATABASE_URL", "postgres://u:hunter2@h/d")
	code, out, _ := command(t, "serve", "--help")
	if code != 0 || !strings.Contains(out, "--jwt-secret") || strings.Contains(out, "hunter2") {
		t.Errorf("help exits %d and shows:\n%s", code, out)
	}
}
