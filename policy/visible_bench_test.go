package policy

import (
	"fmt"
	"testing"

	"walcast/filters"
	"walcast/replication/wal"
)

// benchSQL has one table for each way in which rows are checked. The sub-select is
// what people write where no claim of the token can be compared.
const benchSQL = `
	create table members (org int, usr uuid, primary key (usr, org)); grant select on members to authenticated;
	insert into members select i % 100, ('00000000-0000-4000-8000-' || lpad((i / 10)::text, 12, '0'))::uuid from generate_series(0, 99999) as i on conflict do nothing;
	analyze members;
	do $$ declare t text; begin
		foreach t in array array['free', 'own', 'member', 'odd'] loop
			execute format('create table %I (id int primary key, owner uuid, org int, body text); grant select on %1$I to authenticated;
				insert into %1$I select i, gen_random_uuid(), i %% 200, repeat(''x'', 200) from generate_series(1, 1000) as i', t);
			if t <> 'free' then execute format('alter table %I enable row level security', t); end if;
		end loop;
	end $$;
	create policy p on own using (owner = auth.uid());
	create policy p on member using (exists (select from members as m where m.org = member.org and m.usr = (select auth.uid())));
	create policy p on odd using (id % 2 = 1 and owner is distinct from auth.uid())`

// upstreamVisible is what upstream takes for each row and user,
// visible or not, in nanoseconds.
const upstreamVisible = 16_500

// size is how many rows are asked about at once, for how many users.
type size struct{ rows, users int }

// BenchmarkVisible is the cost for one row and one user, also as a part of
// upstream's.
func BenchmarkVisible(b *testing.B) {
	benchmarkVisible(b, size{1, 1}, size{10, 1}, size{100, 1}, size{1000, 1}, size{1, 100}, size{1, 1000}, size{10, 1000}, size{100, 1000})
}

func benchmarkVisible(b *testing.B, sizes ...size) {
	l := newLab(b, benchSQL)
	for _, table := range []string{"free", "own", "odd", "member"} {
		rel := l.relation(table)
		changes := inserts(rel, l.rows(rel, "order by id"))
		s := l.subject("authenticated", user1)
		l.view(rel, s)
		if l.verdict(rel, s) != Ask {
			b.Run(fmt.Sprintf("%s/%s", table, l.verdict(rel, s)), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					e := l.policy.Guard(s).Where(rel, wal.Insert)
					if e != nil && e.Eval(changes[i%len(changes)].New) == filters.True {
						b.Fatal("somebody else's row is visible")
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/upstreamVisible, "of-upstream")
			})
			continue
		}
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/ask/rows=%d/users=%d", table, n.rows, n.users), func(b *testing.B) {
				inquiries := make([]*Inquiry, n.users)
				for i := range inquiries {
					claims := fmt.Sprintf(`{"role":"authenticated","sub":"00000000-0000-4000-8000-%012d"}`, i)
					inquiries[i] = &Inquiry{Subject: l.subject("authenticated", claims), Changes: changes[:n.rows]}
				}
				for b.Loop() {
					if _, err := l.policy.VisibleAll(b.Context(), inquiries); err != nil {
						b.Fatal(err)
					}
				}
				each := float64(b.Elapsed().Nanoseconds()) / float64(b.N*n.rows*n.users)
				b.ReportMetric(each, "ns/row/user")
				b.ReportMetric(each/upstreamVisible, "of-upstream")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkView is what every match pays when nothing has to be loaded.
func BenchmarkView(b *testing.B) {
	l := newLab(b, ownSQL)
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.policy.View(b.Context(), rel, s); err != nil || l.verdict(rel, s) != Compiled {
			b.Fatal(err)
		}
	}
}

// BenchmarkBind is what a new subject costs, once for each table.
func BenchmarkBind(b *testing.B) {
	l := newLab(b, ownSQL)
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	l.view(rel, s)
	r := l.policy.tables.of(rel, s.Role).current()
	b.ReportAllocs()
	for b.Loop() {
		if newBond(rel, r, s).err != nil {
			b.Fatal("not compiled")
		}
	}
}
