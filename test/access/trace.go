package access

import (
	"context"
	"errors"
	"fmt"
)

// Tracing looks further back than judging: what walcast went by may be old.
const (
	traceBack = 45e9 // nanoseconds
	traced    = 300  // faults at most
)

// trace finds for the faults which change walcast has missed: that which hid a
// version that came, or showed one that did not.
func (r *round) trace(ctx context.Context) (err error) {
	h := r.steward.history
	var all []suspicion
	var of []*Fault
	for i := range r.faults {
		f := &r.faults[i]
		if f.suspicion == nil || len(all) == traced {
			continue
		}
		s := *f.suspicion
		s.Early = h.first(s.row.made.Before - traceBack)
		all, of = append(all, s), append(of, f)
	}
	if len(all) == 0 {
		return nil
	}
	shadow, err := newShadow(ctx, r.world)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shadow.close(context.WithoutCancel(ctx))) }()
	said, err := shadow.replay(ctx, h, all)
	if err != nil {
		return err
	}
	for i, s := range all {
		of[i].Cause = cause(s, h, said)
		of[i].Text += "\n    " + of[i].Cause.text(s, h)
	}
	return nil
}

// origin is the change that a fault may have its reason in.
type origin struct {
	change int // 0 is none
	label  string
}

// cause is the last change before a version's commit that took its visibility,
// or gave it in case that it did not come.
func cause(s suspicion, h history, said answers) origin {
	p := s.subjects[len(s.subjects)-1]
	sees := func(k int) bool {
		if !said.visible(k, p, s.row) {
			return false
		}
		for _, c := range s.columns {
			if !said.granted(k, p, s.row.table, c) {
				return false
			}
		}
		return true
	}
	now := s.purpose == unseenIt
	for k := s.From - 1; k >= s.Early; k-- {
		if sees(k) != now {
			return origin{k + 1, h[k+1].Label}
		}
	}
	if now {
		return origin{label: "visible for long"}
	}
	return origin{label: "hidden for long"}
}

func (o origin) text(s suspicion, h history) string {
	if o.change == 0 {
		return o.label
	}
	c := h[o.change]
	return fmt.Sprintf("since change %d, %s, committed %.2f s before the version and %.2f s before %s: %q",
		o.change, c.Label, float64(s.row.made.Before-c.After)/1e9, float64(s.entry.Time-c.After)/1e9,
		map[bool]string{true: "it was passed over", false: "it came"}[s.purpose == unseenIt], c.Rules)
}
