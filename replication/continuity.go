package replication

import (
	"walcast/replication/changelog"
	"walcast/replication/relay"
	"walcast/replication/wal"
)

// continuity is which history was read so far, and whether the server and its
// slot still continue it. Where they do not, subscribers have to resync. It
// belongs to the goroutine in Run.
type continuity struct {
	begun   bool    // the log has a history
	lineage lineage // of what was read
	replace string  // why the slot has to be made anew, a changelog.Code; "" if it has not
	resync  string  // why the next history begins, a changelog.Code; "" if the present one goes on
}

// follow takes in that what was read came from another node's stream.
func (c *continuity) follow(o relay.Opening) {
	c.begun, c.resync = true, ""
	c.lineage = lineage{system: o.Source.System, timeline: o.Source.Timeline, instance: o.Instance}
}

// compare takes in which cluster is at the other end. received is the LSN before
// which everything has been read, and timeline the newest that the stream was
// seen on. ended tells where a timeline ended; it is asked only after a switch.
func (c *continuity) compare(now system, received wal.LSN, timeline int32, ended func(timeline int32) (wal.LSN, error)) error {
	if !c.begun {
		return nil
	}
	was := c.lineage
	was.complete, was.timeline = received, max(was.timeline, timeline)
	code, err := was.continues(now, ended)
	if code != "" {
		c.resync = code
	}
	return err
}

// replaceSlot notes that the slot cannot be read any further, for the cause of a
// fault.
func (c *continuity) replaceSlot(cause string) {
	switch cause {
	case causePublication:
		c.replace = changelog.CodePublication
	case causeFilter:
		c.replace = changelog.CodePublicationFilter
	default:
		c.replace = changelog.CodeSlotLost
	}
}

// slotIsMissing notes that there is no slot. It reports whether that is news: a
// slot that was read from has been dropped.
func (c *continuity) slotIsMissing() bool {
	switch {
	case !c.begun:
		c.resync = changelog.CodeSlotMissing // for clients of an earlier run; on a first run there are none
	case c.replace == "":
		c.replace = changelog.CodeSlotMissing
		return true
	}
	return false
}

// slotWasCreated notes that a slot was made, and returns why it had to replace
// another, "" if it did not. If the server changed, and the slot with it, then
// the server remains the reason for the resync.
func (c *continuity) slotWasCreated() (reason string) {
	reason, c.replace = c.replace, ""
	if reason != "" && c.resync == "" {
		c.resync = reason
	}
	return reason
}

// goesOn decides whether a stream from start goes on with the present history.
// If not, resync says why, once there is a history.
func (c *continuity) goesOn(now system, start, received wal.LSN) bool {
	if !c.begun {
		return false
	}
	if c.resync == "" && start > received {
		c.resync = changelog.CodeSlotAdvanced
	}
	if c.resync != "" {
		return false
	}
	c.lineage.timeline, c.lineage.instance = now.timeline, now.instance
	return true
}

// goOnAt returns where the stream is to go on, which is behind the slot by what is
// in the window; 0 is where the slot is.
func (c *continuity) goOnAt(received wal.LSN) wal.LSN {
	if !c.begun || c.resync != "" {
		return 0
	}
	return received
}

// begin notes that another history has begun.
func (c *continuity) begin(now system) {
	*c = continuity{
		begun: true, replace: c.replace,
		lineage: lineage{system: now.id, timeline: now.timeline, instance: now.instance},
	}
}

// lineage identifies the WAL that was read so far.
type lineage struct {
	system   string // the cluster's system identifier
	timeline int32
	complete wal.LSN // everything that commits before it has been read
	instance string  // of the server that it was read from last, see system
}

// continues decides whether what the server has now continues what was read.
// It returns "" if so, else the code of the resync. ended tells where a
// timeline ended; it is asked only after a timeline switch.
func (l lineage) continues(now system, ended func(timeline int32) (wal.LSN, error)) (string, error) {
	switch {
	case l.system != now.id:
		return changelog.CodeOtherCluster, nil
	case now.timeline < l.timeline:
		return changelog.CodeDiverged, nil
	// A standby that was promoted after it was read from still has all that it sent.
	case now.timeline == l.timeline, now.instance != "" && now.instance == l.instance:
		// Behind what it has sent: it was put back to an older state.
		if now.end < l.complete {
			return changelog.CodeDiverged, nil
		}
		return "", nil
	}
	end, err := ended(l.timeline)
	if err != nil {
		return "", err
	}
	// What was read beyond the switch existed on the lost server only, and the
	// numbers are used again for something else.
	if l.complete > end {
		return changelog.CodeDiverged, nil
	}
	return "", nil
}
