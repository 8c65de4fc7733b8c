package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Tracing looks further back than judging: what walcast went by may be old.
const (
	traceBack = 45e9 // nanoseconds
	traced    = 60   // faults of a kind at most
)

// trace finds for the faults that count which change walcast has missed: that which hid a
// version that came, or showed one that did not.
func (r *round) trace(ctx context.Context) (err error) {
	h := r.steward.history
	var all []suspicion
	var of []*Fault
	kinds := map[string]int{}
	for i := range r.faults {
		f := &r.faults[i]
		if f.suspicion == nil || f.Kind == foreignLeak || !f.counts() {
			continue
		}
		if kinds[f.Kind]++; kinds[f.Kind] > traced {
			f.Cause = origin{label: "a change that was not traced"}
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
	said, err := shadow.replay(ctx, h, all, never)
	if err != nil {
		return err
	}
	for i, s := range all {
		of[i].Cause = cause(of[i].Kind, s, h, said)
		of[i].Text += "\n    " + of[i].Cause.text(s, h)
		if of[i].Kind == outlived {
			of[i].Text += "\n    " + showing(s, h, said)
		}
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
func cause(kind string, s suspicion, h history, said answers) origin {
	now := s.absent()
	hides := func(k, p int) bool {
		return s.purpose != seenKey && !said.visible(k, p, s.row) ||
			slices.ContainsFunc(s.columns, func(c string) bool { return !said.granted(k, p, s.row.table, c) })
	}
	sees := func(k int) bool { // by all subjects that the client may act as, if all had to; else by one of them
		if now {
			return !slices.ContainsFunc(s.subjects, func(p int) bool { return hides(k, p) })
		}
		return slices.ContainsFunc(s.subjects, func(p int) bool { return !hides(k, p) })
	}
	if kind == stale {
		return typeChange(s, h)
	}
	for k := s.From - 1; k >= s.Early; k-- {
		if sees(k) != now {
			return origin{k + 1, h[k+1].Label}
		}
	}
	if now {
		return origin{label: "visible for long"}
	}
	if s.row.ended == s.row.made {
		return origin{label: "being replaced in its own transaction"}
	}
	return origin{label: "hidden for long"}
}

// showing says by which change a version can be seen that was gone by then.
func showing(s suspicion, h history, said answers) string {
	sees := func(k int) bool {
		return slices.ContainsFunc(s.subjects, func(p int) bool { return said.visible(k, p, s.row) })
	}
	for k := max(s.Life, s.From) + 1; k <= s.Upto; k++ {
		if c := h[k]; sees(k) && !sees(k-1) {
			return fmt.Sprintf("shown by change %d, %s, at %s of transaction %d, committed %.2f s after the version, of transaction %d, and %.2f s after its end: %q", k, c.Label, c.LSN, c.XID,
				float64(c.After-s.row.made.After)/1e9, s.row.made.XID, float64(c.After-s.row.ended.After)/1e9, c.Rules)
		}
	}
	return "not shown by any change"
}

// typeChange is the last change of a type before a version was committed.
func typeChange(s suspicion, h history) origin {
	for k := s.Upto; k > 0; k-- {
		if h[k].Type {
			return origin{k, h[k].Label}
		}
	}
	return origin{label: "no change of a type"}
}

func (o origin) text(s suspicion, h history) string {
	if o.change == 0 {
		return o.label
	}
	c := h[o.change]
	return fmt.Sprintf("since change %d, %s, committed %.2f s before %s: %q", o.change, c.Label, float64(s.entry.Time-c.After)/1e9,
		map[bool]string{true: "it was passed over", false: "it came"}[s.absent()], c.Rules)
}
