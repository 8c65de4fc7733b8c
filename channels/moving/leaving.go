package moving

// leaving is which nodes have still to hear that this one goes. It is not safe for
// concurrent use.
type leaving struct {
	awaits map[string]struct{}
	done   chan struct{} // nil before begin
}

// begin returns what is closed once all have heard.
func (l *leaving) begin(runs map[string]*source) <-chan struct{} {
	l.awaits, l.done = map[string]struct{}{}, make(chan struct{})
	for run := range runs {
		l.awaits[run] = struct{}{}
	}
	if len(l.awaits) == 0 {
		close(l.done)
	}
	return l.done
}

func (l *leaving) heard(run string) {
	if _, awaited := l.awaits[run]; !awaited {
		return
	}
	if delete(l.awaits, run); len(l.awaits) == 0 {
		close(l.done)
	}
}
