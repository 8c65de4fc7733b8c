package view

// writer is a session that writes in transactions, and waits for no lock of another.
type writer struct {
	*session
	isOpen bool // a transaction is
}

// writers opens some.
func (s *stage) writers(n int) (all []*writer) {
	s.t.Helper()
	for range n {
		all = append(all, &writer{session: s.connect()})
	}
	return all
}

// write runs statements in the transaction that is open, or a new one. If they fail it ends.
func (w *writer) write(sql string) {
	w.t.Helper()
	if !w.isOpen {
		sql, w.isOpen = "begin; set local lock_timeout = '1ms'; "+sql, true
	}
	if w.try(sql) != nil {
		w.end("rollback")
	}
}

// end ends the transaction by a statement.
func (w *writer) end(by string) {
	w.t.Helper()
	w.exec(by)
	w.isOpen = false
}
