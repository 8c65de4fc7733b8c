package channels

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"walcast/protocol"
)

// deferral is a join whose reply waits until its bindings are checked, as
// postgres_changes_options.wait or strict-bindings ask for it. Its channel is
// registered meanwhile, and what is pushed for it waits in its outbox. It is
// finished once: answered, refused, or abandoned because its channel has ended.
// A nil deferral belongs to a join that is answered at once. It is safe for
// concurrent use.
type deferral struct {
	joining  *joining
	replaced *channel // the topic's channel before, whose phx_close follows the reply; may be nil
	limit    time.Duration
	outcome  chan error // of an event stream, instead of a reply

	mu       sync.Mutex
	timer    *time.Timer
	finished bool
	away     bool // the database has not answered
}

const (
	// waitLimit is how long a join waits at most, which is what upstream allows.
	waitLimit = 20 * time.Second
	// strictWait is how long a join waits for strict-bindings alone: clients
	// give up a join without a reply after 10 s.
	strictWait = 8 * time.Second
)

// errEnded is for a stream whose channel ends while its join waits.
var errEnded = errors.New("the channel has ended")

// wait is how long the reply may wait for the check of the bindings; 0 is not
// at all.
func (j *joining) wait() time.Duration {
	switch {
	case len(j.asked.Bindings) == 0:
		return 0
	case j.asked.Wait > 0:
		return min(j.asked.Wait, waitLimit)
	case j.session.hub.config.StrictBindings:
		return strictWait
	}
	return 0
}

// hold has the reply wait. The channel must be registered.
func (j *joining) hold(replaced *channel) *deferral {
	d := &deferral{joining: j, replaced: replaced, limit: j.wait()}
	if j.session.streams() {
		d.outcome = make(chan error, 1)
	}
	ch := j.channel
	ch.out.deferral = d
	ch.out.setLimit(waitingLimit)
	d.begin()
	j.enter()
	j.session.hub.arming.check(ch)
	return d
}

// begin limits how long the join waits.
func (d *deferral) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(d.limit, d.expire)
}

// finish reports whether the join was not finished before: then the caller
// finishes it.
func (d *deferral) finish() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return false
	}
	d.finished = true
	d.timer.Stop()
	return true
}

// waits reports whether the reply is still to be given.
func (d *deferral) waits() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.finished
}

// answer gives the reply. It is false if the join was finished before, or its
// channel ends at this moment.
func (d *deferral) answer() bool {
	j := d.joining
	if !j.channel.out.setLimit(0) {
		d.refuse(protocol.RefuseSubscribeFlood)
		return false
	}
	switch {
	case !d.finish():
		return false
	case d.outcome != nil:
		d.outcome <- nil // the function that Admit returns sends the reply
		return true
	}
	return j.reply(d.replaced)
}

// refuse ends the channel and gives err as the reply. It is false if the join
// was finished before.
func (d *deferral) refuse(err error) bool {
	if d == nil || !d.finish() {
		return false
	}
	j := d.joining
	j.channel.out.discard()
	j.channel.end(false) // first: a client that has the reply may join again at once
	if d.outcome != nil {
		d.outcome <- err
		return true
	}
	j.session.refuse(j.message, err)
	if d.replaced != nil {
		d.replaced.pushClose()
	}
	return true
}

// abandon ends the join without a reply, as its channel has ended. A reply that
// is on its way is sent before abandon returns, or never: the outbox decides.
func (d *deferral) abandon() {
	if d == nil {
		return
	}
	isFirst := d.finish()
	if isFirst || d.outcome == nil {
		d.joining.channel.out.discard()
	}
	if isFirst && d.outcome != nil {
		d.outcome <- errEnded
	}
}

// miss notes that the database did not answer.
func (d *deferral) miss() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = true
}

// missed reports whether the database has not answered.
func (d *deferral) missed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.away
}

// expire refuses the join, as it has waited for its limit.
func (d *deferral) expire() {
	late := protocol.Unserved{Refusal: protocol.Refusal{
		Code: protocol.CodeSubscribeTimeout,
		Text: fmt.Sprintf("Timed out after %dms waiting for the postgres_changes subscription", d.limit.Milliseconds()),
	}}
	if d.missed() || d.joining.session.hub.arming.feed().outage() == databaseAway {
		late.Problem.Code = protocol.CodeDatabaseAway
	}
	d.refuse(late)
}
