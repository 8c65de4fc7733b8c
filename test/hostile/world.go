package hostile

import "fmt"

// The tables of every run. Everybody may write posts, as through the API of an
// app; the others are the victim's.
const (
	openTable  = "open_rows"   // without row-level security
	ownTable   = "own_rows"    // with a policy that is compiled
	askedTable = "member_rows" // with one that Postgres has to be asked about
	postsTable = "posts"
)

// The users. The stranger owns rows that the victim must never see.
const (
	victimUser   = "11111111-1111-1111-1111-111111111111"
	speakerUser  = "22222222-2222-2222-2222-222222222222"
	strangerUser = "33333333-3333-3333-3333-333333333333"
	attackerUser = "66666666-6666-6666-6666-666666666666"
)

// slowTopics is how the names of private topics begin about which the policy
// thinks for long.
const slowTopics = "slow"

// commonWorld is what every run has, in a database with the schema realtime.
func commonWorld() []string {
	var all []string
	for _, table := range []string{openTable, ownTable, askedTable} {
		all = append(all, `create table `+table+` (id bigint primary key, owner uuid not null, body text)`,
			`grant select on `+table+` to anon, authenticated`)
	}
	return append(all,
		`alter table `+ownTable+` enable row level security`,
		`create policy own on `+ownTable+` for select to authenticated using (owner = auth.uid())`,
		`create table members (who uuid, of uuid)`,
		`grant select on members to authenticated`,
		fmt.Sprintf(`insert into members values ('%s', '%s')`, victimUser, speakerUser),
		`alter table `+askedTable+` enable row level security`,
		`create policy members on `+askedTable+` for select to authenticated
			using (exists (select from members m where m.of = `+askedTable+`.owner and m.who = auth.uid()))`,
		`create table `+postsTable+` (id bigint generated always as identity primary key, author text, body text)`,
		`grant select, insert, delete on `+postsTable+` to authenticated`,
		`create function may_read(topic text) returns boolean language plpgsql as $$
			begin
				if topic like '`+slowTopics+`%' then perform pg_sleep(0.5); end if;
				return true;
			end $$`,
		`create policy read on realtime.messages for select to authenticated using (public.may_read(realtime.topic()))`,
		`create policy write on realtime.messages for insert to authenticated with check (true)`,
	)
}

// publish is done when all tables are there.
const publish = `do $$ begin
	execute 'create publication supabase_realtime for table ' ||
		(select string_agg(format('%I', tablename), ', ') from pg_tables where schemaname = 'public' and tablename <> 'members');
end $$`
