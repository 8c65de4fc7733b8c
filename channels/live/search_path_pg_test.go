package live

import (
	"testing"
)

// TestNobodyWhoMayCreateFunctionsDecidesWhatIsPublished: the row filter of a publication is
// printed with the names of pg_catalog as they are, and a function of somebody else may fit
// better on the session's search_path.
func TestNobodyWhoMayCreateFunctionsDecidesWhatIsPublished(t *testing.T) {
	l := newLab(t, nil, `create table posts (id int primary key, readers uuid[]); grant select on posts to anon;
		insert into posts values (1, array['00000000-0000-4000-8000-000000000001']::uuid[]), (2, array[]::uuid[])`)
	if l.db.Server.Major < 15 {
		l.run().want("anon", "{}", of("posts", `,"order":"id"`), `{"id":1,"readers":["00000000-0000-4000-8000-000000000001"]}`, `{"id":2,"readers":[]}`)
		return // there are no row filters
	}
	l.db.Exec(`drop publication rows; create publication rows for table posts where (array_position(readers, '00000000-0000-4000-8000-000000000001'::uuid) is not null)`)
	l.db.Exec(`grant create on schema public to authenticated; set role authenticated;
		create function public.array_position(uuid[], uuid) returns int language sql immutable as 'select 1'; reset role`)
	l.run()
	l.want("anon", "{}", of("posts", ""), `{"id":1,"readers":["00000000-0000-4000-8000-000000000001"]}`)
}

// TestPoliciesOfSnapshotsHaveTheSearchPathOfTheSession, as their functions may count on it,
// and they run as the subject.
func TestPoliciesOfSnapshotsHaveTheSearchPathOfTheSession(t *testing.T) {
	l := newLab(t, nil, notes, `create function allowed(text) returns boolean language sql stable as 'select exists (select from notes where owner = $1 and $1 <> current_user)'`,
		`create table own (id int primary key, owner text); insert into own values (1, 'ann'), (2, 'eve'); grant select on own to anon; alter table own enable row level security;
		create policy own on own using (allowed(owner) and current_user = 'anon')`).run()
	l.want("anon", "{}", of("own", ""), `{"id":1,"owner":"ann"}`)
}

// TestAFilterOfASnapshotIsNotJudgedOnHiddenRows: neither its error nor its time tells of
// them.
func TestAFilterOfASnapshotIsNotJudgedOnHiddenRows(t *testing.T) {
	l := newLab(t, func(c *SnapshotLimits) { c.SnapshotTimeout = 5 * patient }, `create table pins (id int primary key, owner text, body text, code xml); grant select on pins to anon;
		insert into pins values (1, 'ann', 'the pin is 7' || repeat('x', 4000), '<a/>'); alter table pins enable row level security;
		create policy own on pins using (exists (select from pg_class where relname = owner))`,
		`create function noisy(text, text) returns boolean language plpgsql cost 0.0001 as $$ begin raise 'seen %', $1; end $$`).run()
	l.want("anon", "{}", of("pins", `,"filter":"body=match.^the pin is 7(.+)(.+)(.+)(.+)(.+).*\\5\\4\\3\\2\\1"`))
	l.want("anon", "{}", of("pins", `,"filter":"body=match.^the pin is 8(.+)(.+)(.+)(.+)(.+).*\\5\\4\\3\\2\\1"`))
}
