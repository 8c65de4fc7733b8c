package access

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// schedule says what is to be looked at, era by era.
type schedule struct {
	begin map[int][]suspicion // by the first era that they are about
	first map[*version]int    // the eras in which a version is in question
	last  map[*version]int
	enter map[int][]*version // by the era in which they are committed for good
	leave map[int][]*version // by the era after their last
}

// plan makes the schedule for suspicions.
func plan(all []suspicion) *schedule {
	p := &schedule{
		begin: map[int][]suspicion{}, first: map[*version]int{}, last: map[*version]int{},
		enter: map[int][]*version{}, leave: map[int][]*version{},
	}
	for _, s := range all {
		if first, ok := p.first[s.row]; !ok || s.Early < first {
			p.first[s.row] = s.Early
		}
		p.last[s.row] = max(p.last[s.row], s.Upto)
		p.begin[s.Early] = append(p.begin[s.Early], s)
	}
	for v := range p.first {
		p.enter[v.era] = append(p.enter[v.era], v)
		p.leave[p.last[v]+1] = append(p.leave[p.last[v]+1], v)
	}
	return p
}

// agenda is the versions that are looked at in an era, by glance and number.
type agenda map[glance]map[int64]*version

// toLookAt is the agenda of an era: all that is not clear yet.
func toLookAt(unclear []suspicion, k int) agenda {
	all := agenda{}
	for _, s := range unclear {
		for _, subject := range s.subjects {
			g := glance{k, subject, s.row.table}
			if all[g] == nil {
				all[g] = map[int64]*version{}
			}
			all[g][s.row.number] = s.row
		}
	}
	return all
}

// versions are all that are looked at, by number.
func (a agenda) versions() map[int64]*version {
	all := map[int64]*version{}
	for _, some := range a {
		maps.Copy(all, some)
	}
	return all
}

// replay does the history again and lets the subjects look, at each version until
// what is suspected of it is clear.
func (s *shadow) replay(ctx context.Context, h history, all []suspicion, clear func(s suspicion, said answers) bool) (*testimony, error) {
	p := plan(all)
	t := &testimony{opinions: map[glance]*known{}, values: map[int]map[int64]map[string]json.RawMessage{}, readings: map[[2]int]reading{}}
	var unclear []suspicion
	for k := range h {
		if rules := h[k].Rules; len(rules) > 0 {
			if _, err := s.db.PgConn().Exec(ctx, strings.Join(rules, ";\n")).ReadAll(); err != nil {
				return nil, fmt.Errorf("change %d (%s), again: %w", k, h[k].Label, err)
			}
		}
		if err := s.advance(ctx, p, k); err != nil {
			return nil, err
		}
		if unclear = append(unclear, p.begin[k]...); len(unclear) == 0 {
			continue
		}
		if err := s.era(ctx, k, toLookAt(unclear, k), t); err != nil {
			return nil, fmt.Errorf("look at era %d: %w", k, err)
		}
		unclear = slices.DeleteFunc(unclear, func(s suspicion) bool {
			done := k >= s.Upto
			s.Upto = k
			return done || clear(s, t)
		})
	}
	return t, nil
}

// innocent reports whether nothing can come of a suspicion any more, whatever later
// eras say: one era in which a version was visible clears what came, and one in which
// it was hidden what did not.
func innocent(h history) func(s suspicion, said answers) bool {
	return func(s suspicion, said answers) bool { return judge(s, h, said) == nil }
}

// never has every version be looked at in all eras.
func never(suspicion, answers) bool { return false }

// advance puts the versions of an era there for good, and takes away those that
// are in question no more.
func (s *shadow) advance(ctx context.Context, p *schedule, k int) error {
	for table, versions := range group(p.leave[k]) {
		var list []string
		for _, v := range versions {
			list = append(list, fmt.Sprint(v.number))
		}
		if _, err := s.db.Exec(ctx, fmt.Sprintf("delete from %s where ver in (%s)", s.world.tables[table], strings.Join(list, ", "))); err != nil {
			return fmt.Errorf("take versions away: %w", err)
		}
	}
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for table, versions := range group(p.enter[k]) {
		added, err := s.put(ctx, tx, table, versions)
		if err != nil {
			return err
		}
		s.odd += len(versions) - added
	}
	return tx.Commit(ctx)
}

// group sorts versions by their table.
func group(versions []*version) map[int][]*version {
	all := map[int][]*version{}
	for _, v := range versions {
		all[v.table] = append(all[v.table], v)
	}
	return all
}

// put writes versions into their table and returns how many of them it takes: a value
// of before may be none of a type's any more.
func (s *shadow) put(ctx context.Context, tx pgx.Tx, table int, versions []*version) (added int, err error) {
	t := s.world.tables[table]
	try := func(part []*version) (bool, error) {
		inner, err := tx.Begin(ctx)
		if err != nil {
			return false, err
		}
		if _, err := inner.Exec(ctx, insert(t.String(), t.columns(), part)); err != nil {
			return false, inner.Rollback(ctx)
		}
		return true, inner.Commit(ctx)
	}
	ok, err := try(versions)
	if ok || err != nil {
		return len(versions), err
	}
	for _, v := range versions {
		if ok, err = try([]*version{v}); err != nil {
			return 0, err
		} else if ok {
			added++
		}
	}
	return added, nil
}

// era lets the subjects look at what is in question in an era.
func (s *shadow) era(ctx context.Context, k int, wanted agenda, t *testimony) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var early []*version
	versions := wanted.versions()
	for _, v := range versions {
		if k < v.era {
			early = append(early, v)
		}
	}
	for table, some := range group(early) {
		if _, err := s.put(ctx, tx, table, some); err != nil {
			return err
		}
	}
	if err := s.readValues(ctx, tx, k, slices.Collect(maps.Keys(versions)), t); err != nil {
		return err
	}
	if err := s.readPolicies(ctx, tx, k, t); err != nil {
		return err
	}
	return s.glances(ctx, tx, wanted, t)
}

// glances has all subjects of an era look, in one go.
func (s *shadow) glances(ctx context.Context, tx pgx.Tx, wanted agenda, t *testimony) error {
	batch := &pgx.Batch{}
	list := slices.SortedFunc(maps.Keys(wanted), func(a, b glance) int {
		return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.table, b.table))
	})
	for _, g := range list {
		who := s.world.subjects[g.subject]
		batch.Queue("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", who.role, who.text())
		batch.Queue("select judge.look($1, $2, $3)::text", s.oids[g.table], s.world.tables[g.table].String(), slices.Sorted(maps.Keys(wanted[g])))
	}
	results := tx.SendBatch(ctx, batch)
	defer func() { _ = results.Close() }()
	for _, g := range list {
		var text string
		if _, err := results.Exec(); err != nil {
			return err
		}
		if err := results.QueryRow().Scan(&text); err != nil {
			return err
		}
		var o opinion
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return err
		}
		t.opinions[g] = o.known()
	}
	return results.Close()
}

// readValues reads the columns whose types change.
func (s *shadow) readValues(ctx context.Context, tx pgx.Tx, k int, versions []int64, t *testimony) error {
	t.values[k] = map[int64]map[string]json.RawMessage{}
	for _, table := range s.world.tables {
		if !table.typed {
			continue
		}
		rows, err := tx.Query(ctx, "select ver, coalesce(to_jsonb(mood), 'null')::text, coalesce(to_jsonb(price), 'null')::text from "+table.String()+" where ver = any($1)", versions)
		if err != nil {
			return err
		}
		var ver int64
		var mood, price string
		if _, err := pgx.ForEachRow(rows, []any{&ver, &mood, &price}, func() error {
			t.values[k][ver] = map[string]json.RawMessage{"mood": json.RawMessage(mood), "price": json.RawMessage(price)}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
