package livedrill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"walcast/test/havoc"
)

// lag is how long rules may go on that others have replaced: access-age and a second, what a
// busy machine takes, and a connection to the database that stalls meanwhile.
const lag = 10 * time.Second

// trial judges all looks, in the order of the history.
type trial struct {
	shadow  *shadow
	history []*transaction
	eras    []era
	acks    map[uint32]int64
	spoil   func(l *look, o opinion) // a planted fault; nil for none
	faults  []fault
	asked   int // how many opinions
}

// era is the time in which rules are in force.
type era struct {
	rules  rules
	number int
	span
}

// newTrial finds the eras of a history, by when the steward made their rules.
func newTrial(s *shadow, history []*transaction, spans map[int]*span, acks map[uint32]int64) *trial {
	t := &trial{shadow: s, history: history, acks: acks}
	for _, of := range history {
		if of.rules != nil {
			t.eras = append(t.eras, era{rules: of.rules, number: of.number, span: *spans[of.number]})
		}
	}
	return t
}

// isWithin reports whether a look was answered when a transaction may have been delivered
// in part: its position is inside of it.
func (l *look) isWithin(t *transaction) bool {
	return l.at.LSN == t.at && int(l.at.Seq) < t.changes
}

// hear judges looks, in the order of their positions.
func (t *trial) hear(ctx context.Context, looks []look) error {
	slices.SortStableFunc(looks, func(a, b look) int { return a.at.Compare(b.at) })
	done := 0
	for i := range looks {
		l := &looks[i]
		for ; done < len(t.history) && t.history[done].at <= l.at.LSN && !l.isWithin(t.history[done]); done++ {
			if err := t.shadow.redo(ctx, t.history[done]); err != nil {
				return err
			}
		}
		if err := t.judge(ctx, l, t.history[done:]); err != nil {
			return fmt.Errorf("judge what %s held at %s: %w", l.client, l.at, err)
		}
	}
	return nil
}

// judge judges one look. later are the transactions that are not done yet.
func (t *trial) judge(ctx context.Context, l *look, later []*transaction) error {
	t.mustHave(l, later)
	var best verdict
	for _, more := range l.states(later) {
		for _, under := range t.rulesOf(l) {
			o, err := t.shadow.ask(ctx, l, under, more)
			if err != nil {
				return err
			}
			if t.asked++; t.spoil != nil {
				t.spoil(l, o)
			}
			v := judge(l.rows, o)
			if v.size() == 0 {
				return nil
			}
			if best == nil || v.size() < best.size() {
				best = v
			}
		}
	}
	for k, texts := range best {
		for _, text := range texts {
			t.blame(k, l, "%s", text)
		}
	}
	return nil
}

func (t *trial) blame(k kind, l *look, format string, args ...any) {
	about := fmt.Sprintf("%s where %s as %s, at %s, rows of %s: ", l.of.Table, l.of.where, l.by.text(), l.at, l.seen)
	t.faults = append(t.faults, fault{k, havoc.Fault{Client: l.client, Time: l.answered, Text: about + fmt.Sprintf(format, args...)}})
}

// mustHave blames transactions that a look lacks although it was told that it has them,
// or they had committed before it asked.
func (t *trial) mustHave(l *look, later []*transaction) {
	for _, of := range later {
		if l.seen.Sees(of.xid) {
			continue
		}
		if acked, is := t.acks[of.xid]; l.told.Sees(of.xid) || is && acked < l.asked {
			t.blame(lost, l, "transaction %d, which commits at %s, was not delivered, and the client was told that it had everything up to %s", of.xid, of.at, l.told)
		}
	}
}

// states are the transactions that a look may have beyond those up to its position: those
// that the snapshot of its rows has seen and, if the position is inside of one, this one too.
func (l *look) states(later []*transaction) (states [][]*transaction) {
	var seen []*transaction
	for _, of := range later {
		if l.seen.Sees(of.xid) {
			seen = append(seen, of)
		}
	}
	states = append(states, seen)
	if len(later) > 0 && l.isWithin(later[0]) && !l.seen.Sees(later[0].xid) {
		states = append(states, append([]*transaction{later[0]}, seen...))
	}
	return states
}

// rulesOf are the rules of a look's table that may have applied to it, the newest first.
func (t *trial) rulesOf(l *look) (all []tableRules) {
	for i := len(t.eras) - 1; i >= 0; i-- {
		isOver := i+1 < len(t.eras) && t.eras[i+1].after < l.asked-int64(lag)
		if isOver {
			break
		}
		under := t.eras[i].rules[l.of.Table]
		if t.eras[i].before <= l.answered && !slices.ContainsFunc(all, func(o tableRules) bool { return len(under.change(l.of.Table, o, false)) == 0 }) {
			all = append(all, under)
		}
	}
	return all
}
