package changelog

// signal wakes all goroutines that wait for the next event of one kind. It has
// no lock of its own: the log's lock guards it.
type signal struct {
	next chan struct{} // closed at the next event; nil while none waits
}

// wait returns a channel that is closed at the next fire.
func (s *signal) wait() <-chan struct{} {
	if s.next == nil {
		s.next = make(chan struct{})
	}
	return s.next
}

// fire wakes all that wait.
func (s *signal) fire() {
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}
