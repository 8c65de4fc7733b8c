package havoc

// Fault is something that must not happen.
type Fault struct {
	Client string
	Time   int64 // Unix nanoseconds
	Text   string
}
