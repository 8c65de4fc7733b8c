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
	glances map[int]map[glance]bool
	first   map[*version]int // the eras in which a version is in question
	last    map[*version]int
	enter   map[int][]*version // by the era in which they are committed for good
	early   map[int][]*version // that are in question before that
	leave   map[int][]*version // by the era after their last
}

// plan makes the schedule for suspicions.
func plan(all []suspicion) *schedule {
	p := &schedule{
		glances: map[int]map[glance]bool{}, first: map[*version]int{}, last: map[*version]int{},
		enter: map[int][]*version{}, early: map[int][]*version{}, leave: map[int][]*version{},
	}
	for _, s := range all {
		if first, ok := p.first[s.row]; !ok || s.Early < first {
			p.first[s.row] = s.Early
		}
		p.last[s.row] = max(p.last[s.row], s.Upto)
		for k := s.Early; k <= s.Upto; k++ {
			if p.glances[k] == nil {
				p.glances[k] = map[glance]bool{}
			}
			for _, subject := range s.subjects {
				p.glances[k][glance{k, subject, s.row.table}] = true
			}
		}
	}
	for v, first := range p.first {
		for k := first; k < v.era; k++ {
			p.early[k] = append(p.early[k], v)
		}
		p.enter[v.era] = append(p.enter[v.era], v)
		p.leave[p.last[v]+1] = append(p.leave[p.last[v]+1], v)
	}
	return p
}

// replay does the history again and lets the subjects look.
func (s *shadow) replay(ctx context.Context, h history, all []suspicion) (*testimony, error) {
	p := plan(all)
	t := &testimony{opinions: map[glance]*known{}, values: map[int]map[int64]map[string]json.RawMessage{}}
	present := make([]map[int64]bool, len(s.world.tables))
	for i := range present {
		present[i] = map[int64]bool{}
	}
	for k := range h {
		if rules := h[k].Rules; len(rules) > 0 {
			if _, err := s.db.PgConn().Exec(ctx, strings.Join(rules, ";\n")).ReadAll(); err != nil {
				return nil, fmt.Errorf("change %d (%s), again: %w", k, h[k].Label, err)
			}
		}
		if err := s.advance(ctx, p, k, present); err != nil {
			return nil, err
		}
		if len(p.glances[k]) == 0 {
			continue
		}
		if err := s.era(ctx, p, k, present, t); err != nil {
			return nil, fmt.Errorf("look at era %d: %w", k, err)
		}
	}
	return t, nil
}

// advance puts the versions of an era there for good, and takes away those that
// are in question no more.
func (s *shadow) advance(ctx context.Context, p *schedule, k int, present []map[int64]bool) error {
	for table, numbers := range group(p.leave[k]) {
		var list []string
		for _, v := range numbers {
			list = append(list, fmt.Sprint(v.number))
			delete(present[table], v.number)
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
		s.odd += len(versions) - len(added)
		for _, v := range added {
			present[table][v.number] = true
		}
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

// put writes versions into their table and returns those that it takes: a value
// of before may be none of a type's any more.
func (s *shadow) put(ctx context.Context, tx pgx.Tx, table int, versions []*version) (added []*version, err error) {
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
		return versions, err
	}
	for _, v := range versions {
		if ok, err = try([]*version{v}); err != nil {
			return nil, err
		} else if ok {
			added = append(added, v)
		}
	}
	return added, nil
}

// era lets the subjects look at what is in question in an era.
func (s *shadow) era(ctx context.Context, p *schedule, k int, present []map[int64]bool, t *testimony) error {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	there := make([][]int64, len(present))
	for i := range present {
		there[i] = slices.Collect(maps.Keys(present[i]))
	}
	for table, versions := range group(p.early[k]) {
		added, err := s.put(ctx, tx, table, versions)
		if err != nil {
			return err
		}
		for _, v := range added {
			there[table] = append(there[table], v.number)
		}
	}
	if err := s.readValues(ctx, tx, k, t); err != nil {
		return err
	}
	return s.glances(ctx, tx, p.glances[k], there, t)
}

// glances has all subjects of an era look, in one go.
func (s *shadow) glances(ctx context.Context, tx pgx.Tx, wanted map[glance]bool, there [][]int64, t *testimony) error {
	batch := &pgx.Batch{}
	list := slices.SortedFunc(maps.Keys(wanted), func(a, b glance) int {
		return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.table, b.table))
	})
	for _, g := range list {
		who := s.world.subjects[g.subject]
		batch.Queue("select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", who.role, who.text())
		batch.Queue("select judge.look($1, $2, $3)::text", s.oids[g.table], s.world.tables[g.table].String(), there[g.table])
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
func (s *shadow) readValues(ctx context.Context, tx pgx.Tx, k int, t *testimony) error {
	t.values[k] = map[int64]map[string]json.RawMessage{}
	for _, table := range s.world.tables {
		if !table.typed {
			continue
		}
		rows, err := tx.Query(ctx, "select ver, coalesce(to_jsonb(mood), 'null')::text, coalesce(to_jsonb(price), 'null')::text from "+table.String())
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
