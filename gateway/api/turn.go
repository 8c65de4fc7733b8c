package api

// turn is had by one request at a time: it has one element, which whoever has it takes out.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t <- struct{}{}
	return t
}

// take reports whether the turn was free. It is then to be given back.
func (t turn) take() bool {
	select {
	case <-t:
		return true
	default:
		return false
	}
}

func (t turn) giveBack() { t <- struct{}{} }
