package replication

// outcomes is how the attempts to stream have ended so far. It belongs to the
// goroutine in Run.
type outcomes struct {
	held     bool // the slot was read, or was about to be
	streamed bool // at least one attempt has streamed
	stoodBy  bool // this process has stood by for another
	failed   int  // attempts that failed in a row, since a stream lived long enough
	stalled  int  // streams in a row that ended because Postgres was silent
	// untranslatable says that some text has no UTF-8: it is read as it is stored.
	untranslatable bool
	filters        filterWatch
}

// isSettled reports whether the settings have proved to be right: then no fault ends
// Run, as an operator may mend it meanwhile.
func (o *outcomes) isSettled() bool { return o.streamed || o.stoodBy }

// add takes in how an attempt ended. wasSteady says that it lived long enough
// for the pauses to begin short again.
func (o *outcomes) add(f *fault, wasSteady bool) {
	if wasSteady {
		o.failed, o.stalled = 0, 0
	}
	o.failed++
	o.stalled++
	if f.cause != causeStalled {
		o.stalled = 0
	}
}
