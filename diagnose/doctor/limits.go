package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// number is a setting as a whole number, in its unit.
func (s setting) number() int64 {
	n, err := strconv.ParseInt(s.value, 10, 64)
	if err != nil {
		return 0 // Postgres writes numbers of all settings that are asked for so
	}
	return n
}

// walSenders looks whether a replication connection is free: a reader that comes back
// may need a second one for a moment.
func walSenders(f *facts) []Finding {
	const code = "max_wal_senders"
	s := f.settings[code]
	free := s.number() - int64(f.streams.all)
	isOurs := f.slot() != nil && f.slot().Holder != nil
	more := strconv.FormatInt(s.number()+5, 10)
	const cost = "each takes a little shared memory"
	switch {
	case free < 1 && !isOurs:
		return []Finding{f.platform.change(problem(code, Setting, s.name, "all %d replication connections that max_wal_senders allows are in use", s.number()), s, more, cost)}
	case free < 1, free < 2 && !isOurs:
		return []Finding{f.platform.change(warning(code, Setting, s.name, "of the %d replication connections that max_wal_senders allows %d are in use: after a lost connection walcast needs a second one for a moment", s.number(), f.streams.all), s, more, cost)}
	}
	return []Finding{fine(code, Setting, s.name, "%d of %d replication connections are free", free, s.number())}
}

// replicationSlots looks whether the slot can be made, if there is none.
func replicationSlots(f *facts) []Finding {
	const code = "max_replication_slots"
	s := f.settings[code]
	if f.slot() != nil {
		return []Finding{fine(code, Setting, s.name, "the slot is one of %d that max_replication_slots allows", s.number())}
	}
	if free := s.number() - int64(f.streams.slots); free > 0 {
		return []Finding{fine(code, Setting, s.name, "%d of %d slots are free", free, s.number())}
	}
	full := f.platform.change(problem(code, Setting, s.name, "all %d slots that max_replication_slots allows are taken, so that slot %s cannot be made", s.number(), quote(f.config.Slot)),
		s, strconv.FormatInt(s.number()+5, 10), "each takes a little shared memory")
	if idle := f.idleSlots(); len(idle) > 0 {
		full.Advice = strings.TrimPrefix(full.Advice+"; or drop one that is not used any more, of those that nobody reads: "+strings.Join(idle, ", "), "; ")
	}
	return []Finding{full}
}

// slotLimit looks how much WAL a slot may keep.
func slotLimit(f *facts) []Finding {
	const code, proposed = "max_slot_wal_keep_size", "10GB"
	const cost = "a slot that would keep more is lost, and its clients have to resync"
	s := f.settings[code]
	limit := s.number() << 20
	switch least := 2 * f.config.LogBytes; {
	case s.number() < 0:
		return []Finding{f.platform.change(warning(code, Setting, s.name, "max_slot_wal_keep_size is not set: a slot that nobody reads fills the disk, and Postgres stops"), s, proposed, cost)}
	case limit < least:
		return []Finding{f.platform.change(problem(code, Setting, s.name, "max_slot_wal_keep_size is %s, and walcast holds up to %s of changes for clients that come back: the slot is lost while it is read",
			bytesOf(limit), bytesOf(f.config.LogBytes)), s, proposed, "slots may then keep as much of the disk")}
	}
	return []Finding{fine(code, Setting, s.name, "a slot keeps %s of WAL at most", bytesOf(limit))}
}

func idleSlots(f *facts) []Finding {
	const code = "idle_replication_slot_timeout"
	s, known := f.settings[code]
	switch {
	case !known:
		return nil // before 18
	case s.number() == 0:
		return []Finding{fine(code, Setting, s.name, "an idle slot is not given up")}
	}
	return []Finding{f.platform.change(warning(code, Setting, s.name, "a slot that nobody has read for %s %s is given up: clients have to resync after walcast was stopped for so long", s.value, s.unit),
		s, "0", "slots that nobody reads stay until somebody drops them")}
}

// shortTimeout is the least wal_sender_timeout, in milliseconds, that other readers can do with.
const shortTimeout = 10_000

func senderTimeout(f *facts) []Finding {
	const code, usual = "wal_sender_timeout", "60s"
	s := f.settings[code]
	switch {
	case s.number() == 0:
		return []Finding{f.platform.change(warning(code, Setting, s.name, "wal_sender_timeout is 0: Postgres waits for ever for readers that are gone, and their slots stay in use; walcast sets 15 s for itself"),
			s, usual, "readers that are silent for a minute are cut off")}
	case s.number() < shortTimeout:
		return []Finding{f.platform.change(warning(code, Setting, s.name, "wal_sender_timeout is %s ms, which is too short for a slow network; walcast sets 15 s for itself", s.value),
			s, usual, "it takes a minute until Postgres notices that a reader is gone")}
	}
	return []Finding{fine(code, Setting, s.name, "wal_sender_timeout is %s ms; walcast sets 15 s for itself", s.value)}
}

// whose is whom an override concerns, in a sentence.
func (o override) whose() string {
	switch {
	case o.role == "":
		return "sessions in database " + quote(o.database)
	case o.database == "":
		return "sessions of role " + quote(o.role)
	}
	return fmt.Sprintf("sessions of role %s in database %s", quote(o.role), quote(o.database))
}

// removed is SQL that takes an override back.
func (o override) removed() string {
	switch {
	case o.role == "" && o.database == "":
		return fmt.Sprintf("ALTER ROLE ALL RESET %s;", o.name)
	case o.role == "":
		return fmt.Sprintf("ALTER DATABASE %s RESET %s;", quote(o.database), o.name)
	case o.database == "":
		return fmt.Sprintf("ALTER ROLE %s RESET %s;", quote(o.role), o.name)
	}
	return fmt.Sprintf("ALTER ROLE %s IN DATABASE %s RESET %s;", quote(o.role), quote(o.database), o.name)
}

const (
	lateCommits  = "their commits are told only when the WAL writer wakes, up to 200 ms later, and a crash of Postgres takes commits back that clients have been told"
	costOfCommit = "each commit waits until it is on disk"
)

func synchronousCommit(f *facts) (findings []Finding) {
	const code = "synchronous_commit"
	s := f.settings[code]
	if s.reset == "off" && s.source != "database" && s.source != "user" && s.source != "database user" {
		findings = append(findings, f.platform.change(warning(code, Setting, s.name, "synchronous_commit is off for all sessions: %s", lateCommits), s, "on", costOfCommit))
	}
	for _, o := range f.overrides {
		if o.name == code && o.value == "off" {
			findings = append(findings, warning(code, Setting, s.name, "synchronous_commit is off for %s: %s", o.whose(), lateCommits).cured(o.removed(), costOfCommit, superuser))
		}
	}
	if len(findings) == 0 {
		return []Finding{fine(code, Setting, s.name, "commits wait until they are on disk, and are told at once")}
	}
	return findings
}

// rowSecurity looks for sessions that refuse to filter by policies, as pg_dump's do.
func rowSecurity(f *facts) (findings []Finding) {
	const code = "row_security"
	s := f.settings[code]
	const refuses = "a query that policies would filter raises an error there, as if a right were missing; walcast sets it on for itself"
	if s.reset == "off" && s.source != "database" && s.source != "user" && s.source != "database user" {
		findings = append(findings, f.platform.change(warning(code, Setting, s.name, "row_security is off for all sessions: %s", refuses), s, "on", ""))
	}
	for _, o := range f.overrides {
		if o.name == code && (o.value == "off" || o.value == "false" || o.value == "no" || o.value == "0") {
			findings = append(findings, warning(code, Setting, s.name, "row_security is off for %s: %s", o.whose(), refuses).cured(o.removed(), "", superuser))
		}
	}
	if len(findings) == 0 {
		return []Finding{fine(code, Setting, s.name, "policies filter rows in all sessions")}
	}
	return findings
}

// outputSettings tells which settings of walcast's role and database would change how values
// look. walcast sets them for its connections, so that nothing has to be done.
func outputSettings(f *facts) []Finding {
	var names []string
	for _, o := range f.overrides {
		concerns := o.role == "" || o.role == f.self.name
		if concerns && o.name != "role" && o.name != "row_security" && o.name != "synchronous_commit" {
			names = append(names, o.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Finding{fine("output_settings", Setting, strings.Join(names, ", "), "set for walcast's role or database, and not used: walcast sets its own for its connections, so that values look the same everywhere")}
}
