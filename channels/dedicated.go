package channels

import "walcast/diagnose"

// How much a lane, which many channels share, takes of one channel and of one
// session. It is far above what applications ask for. A channel beyond it is
// dedicated: it has changes matched by a delivery of its own.
const (
	laneBindings         = 1000   // of a channel: to index them keeps the lane waiting
	laneBindingsTogether = 10_000 // of a session
	laneStepsTogether    = 200    // of a session
)

// exceedsLane reports whether a channel is too much for a lane, with what its
// session has already.
func (w weight) exceedsLane(held weight) bool {
	all := held.add(w)
	return w.bindings > laneBindings || w.bindings > 0 && all.bindings > laneBindingsTogether || w.steps > 0 && all.steps > laneStepsTogether
}

// stepsOf adds up the steps of bindings.
func stepsOf(bindings []diagnose.Binding) (steps int) {
	for i := range bindings {
		steps += bindings[i].Filter.StepsPerByte()
	}
	return steps
}
