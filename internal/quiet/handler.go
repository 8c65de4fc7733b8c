package quiet

import (
	"context"
	"log/slog"
	"slices"
)

// componentKey is the attribute of a logger that says which package speaks.
const componentKey = "component"

// handler is a slog.Handler in front of another.
type handler struct {
	next      slog.Handler
	component string
	kinds     *kinds // shared by all that come from one New
}

// New returns a handler that passes entries on to next, fewer of those that say the
// same, and tidied.
func New(next slog.Handler) slog.Handler {
	return &handler{next: next, kinds: newKinds()}
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	left, passes := h.kinds.take(kind{h.component, r.Level, r.Message}, r.Time)
	if !passes {
		return nil
	}
	tidied := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		tidied.AddAttrs(tidy(a))
		return true
	})
	if left > 0 {
		tidied.AddAttrs(slog.Int("left_out", left))
	}
	return h.next.Handle(ctx, tidied)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		attrs[i] = tidy(a)
		if a.Key == componentKey {
			with.component = a.Value.String()
		}
	}
	with.next = h.next.WithAttrs(attrs)
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	with.next = h.next.WithGroup(name)
	return &with
}
