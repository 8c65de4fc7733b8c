package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/await"
	"walcast/internal/devdb"
	"walcast/migrations"
)

// servingRole makes the role that the README describes, and returns the config of a
// server that connects as it.
func servingRole(t *testing.T, db *devdb.DB, c Config) (string, Config) {
	t.Helper()
	role := db.Name + "_walcast"
	db.Exec("create role " + role + " login replication")
	db.Exec("grant anon, authenticated, service_role to " + role)
	t.Cleanup(func() { dropRole(t, db, role) })
	c.Replication.DatabaseURL = strings.Replace(db.DSN, "postgres@", role+"@", 1)
	return role, c
}

func dropRole(t *testing.T, db *devdb.DB, role string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), db.DSN)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "drop owned by "+role+"; drop role "+role); err != nil {
		t.Errorf("drop role %s: %v", role, err)
	}
}

func grantTo(t *testing.T, db *devdb.DB, role string) {
	t.Helper()
	conn, err := db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	grantBy(t, conn.Conn(), role)
}

func grantBy(t *testing.T, conn *pgx.Conn, role string) {
	t.Helper()
	serving, err := migrations.GrantTo(t.Context(), conn, role)
	if err != nil || len(serving.Refused) > 0 {
		t.Fatalf("GrantTo(%s) = %+v, %v", role, serving, err)
	}
}

// TestTheRoleOfTheREADMEServesAll: it owns nothing and bypasses nothing. A
// restrictive policy for everybody hides all from it that it may not pass by.
func TestTheRoleOfTheREADMEServesAll(t *testing.T) {
	db := roomsDatabase(t)
	servesAll(t, db, "", func(role string) { grantTo(t, db, role) })
}

// TestTheRoleOfTheREADMEServesWhatAnOwnerHasMigrated who is no superuser, and may
// neither make roles nor give what it does not have itself.
func TestTheRoleOfTheREADMEServesWhatAnOwnerHasMigrated(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	owner := db.Name + "_owner"
	db.Exec("create role " + owner + " login; alter database " + db.Name + " owner to " + owner)
	conn, err := pgx.Connect(t.Context(), strings.Replace(db.DSN, "postgres@", owner+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := migrations.Apply(t.Context(), conn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	db.Exec(rooms)
	servesAll(t, db, "", func(role string) { grantBy(t, conn, role) })
}

// TestARoleThatRefusesRowSecurityServesAll: pg_dump's setting has Postgres refuse what
// policies would filter, as if a right were missing.
func TestARoleThatRefusesRowSecurityServesAll(t *testing.T) {
	db := roomsDatabase(t)
	servesAll(t, db, "row_security = off", func(role string) { grantTo(t, db, role) })
}

func servesAll(t *testing.T, db *devdb.DB, setting string, grant func(role string)) {
	t.Helper()
	db.Exec(`create policy strict on realtime.messages as restrictive to public using (realtime.topic() = 'room') with check (realtime.topic() = 'room')`)
	db.Exec(`insert into members values ('room', $1)`, userID(1))
	role, config := servingRole(t, db, roomsConfig(db, seldom))
	grant(role)
	if setting != "" {
		db.Exec("alter role " + role + " set " + setting)
	}
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format("messages_2006_01_02")
	db.Exec(`drop table realtime.` + tomorrow)
	s := startServer(t, config)

	a, b := s.user(t, "authenticated", userID(1), ""), s.user(t, "authenticated", userID(1), "")
	a.mustEnter("")
	b.mustEnter("")
	if s.user(t, "authenticated", userID(2), "").enter("") {
		t.Error("somebody who is no member may join")
	}
	a.says("hello")
	if got := b.hears(); got != "hello" {
		t.Errorf("the other member hears %q; want hello", got)
	}
	db.Exec(`select realtime.send('{"text":"from SQL"}', 'e', 'room')`)
	if got := b.hears(); got != "from SQL" {
		t.Errorf("a member hears %q of what SQL sent; want it", got)
	}
	late := s.user(t, "authenticated", userID(1), "")
	late.mustEnter(fmt.Sprintf(`,"broadcast":{"replay":{"since":%d,"limit":5}}`, time.Now().Add(-time.Minute).UnixMilli()))
	if got := late.hears(); got != "from SQL" {
		t.Errorf("who comes late is replayed %q; want what SQL sent", got)
	}
	eventually(t, "the upkeep makes the partition of tomorrow", func() bool {
		var made bool
		err := db.Pool.QueryRow(t.Context(), `select to_regclass('realtime.' || $1) is not null`, tomorrow).Scan(&made)
		return err == nil && made
	})
}

// TestARoleWithoutGrantsIsToldTheCure, and once it has them it goes on by itself.
func TestARoleWithoutGrantsIsToldTheCure(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members values ('room', $1)`, userID(1))
	role, config := servingRole(t, db, roomsConfig(db, seldom))
	var log bytes.Buffer
	s := startServerLogging(t, config, &log)
	c := s.user(t, "authenticated", userID(1), "")
	c.send("1", "realtime:room", "phx_join", `{"config":{"private":true}}`)
	if reply := string(c.next("phx_reply").Payload); !strings.Contains(reply, `walcast migrate --grant-to ROLE`) {
		t.Errorf("the join is answered with %s; want the cure", reply)
	}
	s.wantSample(t, "walcast_migrations_upkeep_failures_total", 1)
	grantTo(t, db, role)
	c.mustEnter("")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cure=\"as owner of the database, run: walcast migrate --grant-to " + role, role + `\" may not: as owner of the database, run \"walcast migrate --grant-to `} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(strings.ToUpper(log.String()), "BYPASSRLS") {
		t.Errorf("the log asks for BYPASSRLS:\n%s", log.String())
	}
}

// TestClientsHaveNothingOfWhatTheServingRoleHas, not even if somebody grants them
// the whole schema.
func TestClientsHaveNothingOfWhatTheServingRoleHas(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`alter default privileges grant all on tables to anon`)
	migrate(t, db)
	db.Exec(`insert into realtime.messages (topic, extension, private) values ('secret', 'broadcast', true)`)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	as := func(sql string) error {
		_, err := conn.Exec(t.Context(), "set role anon; "+sql)
		if _, e := conn.Exec(t.Context(), "reset role"); e != nil {
			t.Fatal(e)
		}
		return err
	}
	for _, sql := range []string{`select * from realtime.walcast_messages`, `select * from realtime.walcast_serving`} {
		if err := as(sql); err == nil {
			t.Errorf("anon may %s", sql)
		}
	}
	db.Exec(`grant all on all tables in schema realtime to anon; grant execute on all functions in schema realtime to anon`)
	for _, sql := range []string{
		`insert into realtime.walcast_messages (topic, extension) values ('t', 'broadcast')`,
		`insert into realtime.walcast_serving values ('anon')`,
		`select 1 / (select count(*) from realtime.walcast_messages)`,
		`update realtime.walcast_messages set topic = 't' where 1 / (case when topic is null then 1 else 0 end) = 1`,
	} {
		if err := as(sql); err == nil && !strings.HasPrefix(sql, "update") || err != nil && strings.HasPrefix(sql, "update") {
			t.Errorf("anon with all grants: %s gives %v", sql, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "set session authorization anon"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `select * from realtime.walcast_keep(now(), 0, '0')`); err == nil {
		t.Error("anon with all grants may drop partitions")
	}
}

// startServerLogging is startServer with the log in w, to be read after stop.
func startServerLogging(t *testing.T, c Config, w *bytes.Buffer) *running {
	t.Helper()
	return launchLogging(t, c, slog.New(slog.NewTextHandler(w, nil))).await(t)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	await.True(t, patience, what, is)
}
