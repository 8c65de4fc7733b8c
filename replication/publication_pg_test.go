package replication

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// creating sets create-publication.
func creating(t *testing.T, setting string) option {
	t.Helper()
	return func(s *setup) { s.config.CreatePublication = setting }
}

func TestMissingPublicationIsAFatalSentence(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	r := runReader(t, db, holding())
	err := r.wait()
	if want := `publication "pub" does not exist: run CREATE PUBLICATION "pub" FOR TABLE …`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Run = %v; want %s…", err, want)
	}
	if r.slot() != nil {
		t.Error("a slot was made although its publication is missing")
	}
}

func TestPublicationIsCreatedOnRequest(t *testing.T) {
	t.Parallel()
	cases := []struct {
		setting string
		want    []string
	}{
		{"all-tables", []string{"app.Order Lines", "public.orders", "public.secrets"}},
		{`orders, app."Order Lines"`, []string{"app.Order Lines", "public.orders"}},
	}
	for _, c := range cases {
		t.Run(c.setting, func(t *testing.T) {
			db := devdb.Open(t)
			db.Exec(`create schema app; create table orders (id int primary key); create table secrets (id int primary key);
				create table app."Order Lines" (id int primary key)`)
			r := startReader(t, db, holding(), creating(t, c.setting))
			got, err := queryStrings(t.Context(), db.Pool, `select schemaname || '.' || tablename from pg_publication_tables where pubname = 'pub' order by 1`)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("published are %v, %v; want %v", got, err, c.want)
			}
			db.Exec(`insert into app."Order Lines" values (1)`)
			r.want("INSERT Order Lines 1")
			if warned := strings.Contains(r.lines.String(), "every future table"); warned != (c.setting == "all-tables") {
				t.Errorf("warned of future tables: %v\n%s", warned, r.lines)
			}
		})
	}
}

func TestPublicationThatWouldBreakTheApplicationIsRefused(t *testing.T) {
	t.Parallel()
	const tables = `
		create table orders (id int primary key);
		create table keyless (id int);
		create table deferred (id int primary key deferrable);
		create table nothing (id int primary key); alter table nothing replica identity nothing;
		create table complete (id int); alter table complete replica identity full;
		create table indexed (id int not null unique); alter table indexed replica identity using index indexed_id_key;
		create table dropped (id int not null unique); alter table dropped replica identity using index dropped_id_key;
		alter table dropped drop constraint dropped_id_key;
		create unlogged table unlogged (id int primary key);
		create table rooted (id int) partition by range (id);
		create table leaf partition of rooted for values from (0) to (10); alter table leaf replica identity full;
		create table partly (id int primary key) partition by range (id);
		create table odd partition of partly for values from (0) to (10); alter table odd replica identity nothing;
		create view seen as select * from orders`
	cases := []struct{ setting, want string }{
		{"orders, complete, indexed, rooted", ""},
		{"partly", "publishing public.odd would make every UPDATE and DELETE there fail"},
		{"all-tables", "publishing public.deferred, public.dropped, public.keyless, public.nothing, public.odd would make every UPDATE and DELETE there fail"},
		{"orders, keyless", "publishing public.keyless would make every UPDATE and DELETE there fail, as there is no primary key: run ALTER TABLE public.keyless ADD PRIMARY KEY"},
		{"orders, nowhere", `create-publication: "nowhere" does not exist`},
		{"seen, unlogged", `create-publication: "seen" is not a table, "unlogged" is temporary or unlogged; only ordinary`},
	}
	for _, c := range cases {
		t.Run(c.setting, func(t *testing.T) {
			db := devdb.Open(t)
			db.Exec(tables)
			r := runReader(t, db, holding(), creating(t, c.setting))
			if c.want == "" {
				r.waitStreaming()
				return
			}
			if err := r.wait(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("Run = %v; want %s…", err, c.want)
			}
			missing, err := r.reader.publications.missing(t.Context(), db.Pool)
			if err != nil || len(missing) != 1 {
				t.Errorf("the publication exists, %v", err)
			}
		})
	}
}

func TestPublicationThatTheRoleMayNotCreate(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`create table orders (id int primary key)`)
	name := role(t, db, "replication")
	tables, err := parsePublicationTables("orders")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), "set role "+name); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(context.Background(), "reset role")
	err = publications{names: []string{"pub"}, create: tables}.ensure(t.Context(), conn, func([]string) bool { return false })
	if want := `publication "pub" does not exist and this role may not create it: run CREATE PUBLICATION "pub" FOR TABLE "orders" as the owner`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("ensure = %v; want %s…", err, want)
	}
}

func TestPublishedTableThatBreaksTheApplicationIsReported(t *testing.T) {
	t.Parallel()
	db := orders(t)
	db.Exec(`
		create table keyless (id int); alter publication pub add table keyless;
		create table rooted (id int) partition by range (id);
		create table leaf partition of rooted for values from (0) to (10); alter table leaf replica identity full;
		create table odd partition of rooted for values from (10) to (20);
		create publication roots for table rooted with (publish_via_partition_root)`)
	r := startReader(t, db, holding(), func(s *setup) { s.config.Publications = []string{"pub", "roots"} })
	if !strings.Contains(r.lines.String(), `tables="public.keyless, public.odd"`) {
		t.Errorf("no warning names the tables whose rows cannot be changed, or it names others:\n%s", r.lines)
	}
}

func TestSeveralPublicationsAreRead(t *testing.T) {
	t.Parallel()
	db := orders(t)
	db.Exec(`create table lines (id int primary key); create publication "Second, 'Pub'" for table lines`)
	r := startReader(t, db, holding(), func(s *setup) {
		s.config.Publications = []string{"pub", "Second, 'Pub'"}
	})
	db.Exec(`insert into orders values (1); insert into lines values (2)`)
	r.want("INSERT orders 1 null", "INSERT lines 2")
}

// TestPublicationDroppedWhileRunning makes the slot useless: up to 17 the stream
// fails at the same LSN for ever, from 18 on changes are skipped.
func TestPublicationDroppedWhileRunning(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	db.Exec(`drop publication pub`)
	r.until("the loss to be noticed", func() bool { return strings.Contains(r.reader.Status().Error, `publication "pub" does not exist`) })
	db.Exec(`insert into orders values (2, 'lost')`)
	r.until("the reader to stop", func() bool { return !r.reader.Status().Streaming })
	r.until("the advice", func() bool { return strings.Contains(r.reader.Status().Error, `CREATE PUBLICATION "pub"`) })
	db.Exec(`create publication pub for table orders`)
	r.wantResync(changelog.CodePublication)
	r.waitStreaming()
	db.Exec(`insert into orders values (3, 'c')`)
	r.want("INSERT orders 3 c")
}

// TestPublicationsThatDifferInATableStopTheStreamUntilTheyAgree: what was written meanwhile
// cannot be decoded any more, however the publications are now.
func TestPublicationsThatDifferInATableStopTheStreamUntilTheyAgree(t *testing.T) {
	t.Parallel()
	db := orders(t)
	if db.Server.Major < 15 {
		return // there are no lists of columns
	}
	db.Exec(`create publication second`)
	r := startReader(t, db, holding(), func(s *setup) { s.config.Publications = []string{"pub", "second"} })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	db.Exec(`alter publication second add table orders (id); insert into orders values (2, 'lost')`)
	r.until("it to be told", func() bool {
		s := r.reader.Status()
		return s.PublicationsDiffer() && !s.Streaming && strings.Contains(s.Error, `different columns of public.orders`) && strings.Contains(s.Error, "ALTER PUBLICATION")
	})
	history := r.log.History()
	db.Exec(`create table other (id int primary key)`)
	r.until("another look", func() bool { return strings.Count(r.lines.String(), "different columns of public.orders") > 1 })
	if r.log.History() != history {
		t.Error("a new history begins while the publications still differ")
	}
	db.Exec(`alter publication second drop table orders`)
	r.wantResync(changelog.CodeSlotLost)
	r.waitStreaming()
	db.Exec(`insert into orders values (3, 'c')`)
	r.want("INSERT orders 3 c")
}

// TestOneOfTwoPublicationsIsDropped: from 18 on the other's changes come. Whoever wants
// those of the dropped one is told of the gap when it is back.
func TestOneOfTwoPublicationsIsDropped(t *testing.T) {
	t.Parallel()
	db := orders(t)
	if db.Server.Major < 18 {
		return // the stream ends, as with one
	}
	db.Exec(`create table lines (id int primary key); create publication second for table lines`)
	r := startReader(t, db, holding(), func(s *setup) { s.config.Publications = []string{"pub", "second"} })
	db.Exec(`drop publication second`)
	r.until("the loss to be noticed", func() bool { return strings.Contains(r.reader.Status().Error, `publication "second" does not exist`) })
	db.Exec(`insert into lines values (1); insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	if err := db.Pool.QueryRow(t.Context(), `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`, db.Name).Scan(new(bool)); err != nil {
		t.Fatal(err)
	}
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
	if s := r.reader.Status(); s.PublicationMissing {
		t.Errorf("status %+v; want no word that nothing comes", s)
	}
	db.Exec(`create publication second for table lines`)
	r.wantResync(changelog.CodePublication)
	r.waitStreaming()
	db.Exec(`insert into lines values (2); insert into orders values (3, 'c')`)
	r.want("INSERT lines 2", "INSERT orders 3 c")
	db.Exec(`drop publication pub, second`)
	r.until("the loss of both to be noticed", func() bool { return r.reader.Status().PublicationMissing })
}

func TestRowsThatAPublicationDoesNotSend(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`create table orders (id int primary key, item text); create publication pub for table orders with (publish = 'insert')`)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a'); update orders set item = 'b'; delete from orders; insert into orders values (2, 'c')`)
	r.want("INSERT orders 1 a", "INSERT orders 2 c")
}

// TestOptionalPublication makes one that is younger than what the window still
// holds. Up to 17 Postgres refuses to read it together with that.
func TestOptionalPublication(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, changelog.Config{Window: 500 * time.Millisecond}, func(s *setup) { s.config.OptionalPublications = []string{"extra"} })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	db.Exec(`create table extras (id serial primary key); create publication extra for table extras`)
	r.until("the publication to be read", func() bool { return strings.Contains(r.lines.String(), "publications=\"[pub extra]\"") })
	history := r.log.History()
	r.until("it to be read for good", func() bool {
		db.Exec(`insert into extras default values`)
		return r.comes("INSERT extras")
	})
	db.Exec(`drop publication extra; insert into orders values (2, 'b')`)
	r.until("the other to be read on", func() bool { return r.comes("INSERT orders 2 b") })
	if got := r.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
}

// comes reports whether a change whose text begins so is among those that come
// within a moment.
func (r *reading) comes(beginning string) bool {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 50*time.Millisecond)
	defer cancel()
	changes, err := r.cursor.Next(ctx, 0)
	if err != nil && ctx.Err() == nil {
		r.t.Fatal(err)
	}
	return slices.ContainsFunc(changes, func(c *wal.Change) bool { return strings.HasPrefix(describeChange(c), beginning) })
}

func TestMissingOptionalPublicationIsRecognisedInAnyLanguage(t *testing.T) {
	o := optionalPublications{names: []string{"extra", "other_pub"}}
	for message, want := range map[string]bool{
		`publication "extra" does not exist`:             true,
		`Publikation »other_pub« existiert nicht`:        true,
		`skipped loading publication "extra"`:            true,
		`publication "extra_pub" does not exist`:         false,
		`publication "supabase_realtime" does not exist`: false,
	} {
		if got := o.exclude(message); got != want {
			t.Errorf("exclude(%s) = %v; want %v", message, got, want)
		}
	}
}
