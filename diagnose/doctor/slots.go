package doctor

import (
	"fmt"
	"strings"

	"walcast/replication"
)

// slot is the slot of these settings, nil if there is none.
func (f *facts) slot() *replication.Slot {
	for i := range f.slots {
		if f.slots[i].Name == f.config.Slot {
			return &f.slots[i]
		}
	}
	return nil
}

// idleSlots names the logical slots that nobody reads, with what each keeps.
func (f *facts) idleSlots() (names []string) {
	for _, s := range f.slots {
		if !s.Active {
			names = append(names, fmt.Sprintf("%s (%s)", s.Name, bytesOf(s.RetainedBytes)))
		}
	}
	return names
}

// dropped is SQL that drops a slot.
func dropped(slot string) string {
	return "SELECT pg_drop_replication_slot('" + strings.ReplaceAll(slot, "'", "''") + "');"
}

const (
	replicating = "a role with REPLICATION"
	costOfDrop  = "whoever reads it begins anew: clients of a walcast have to resync"
)

// nearLimit is the part of its limit, in percent, above which a slot keeps too much WAL.
const nearLimit = 50

func ownSlot(f *facts) []Finding {
	const code = "slot"
	s := f.slot()
	if s == nil {
		return append([]Finding{fine(code, Slot, f.config.Slot, "there is none yet: walcast makes it at its start")}, waiting(f)...)
	}
	if err := s.Refused(f.server.database); err != nil {
		return []Finding{problem("slot_unusable", Slot, s.Name, "%v", err).advised("set slot to another name, or drop this slot if nobody needs it")}
	}
	if why, lost := s.Lost(); lost {
		return []Finding{problem("slot_lost", Slot, s.Name, "it can never be read again (%s): walcast makes it anew at its next start, and clients have to resync", why).
			cured(dropped(s.Name), "nothing more than is lost already: clients have to resync", replicating)}
	}
	findings := []Finding{retained(f, s)}
	switch h := s.Holder; {
	case h == nil:
		findings = append(findings, fine(code, Slot, s.Name, "nobody reads it at present"))
	case h.Application != "" && !strings.HasPrefix(h.Application, "walcast/"):
		findings = append(findings, problem("slot_in_use", Slot, s.Name, "another program reads it: %s", h).advised("stop that program, or set slot to another name"))
	default:
		findings = append(findings, fine(code, Slot, s.Name, "it is read by %s", h))
	}
	return findings
}

// retained says how much WAL Postgres keeps for the slot.
func retained(f *facts, s *replication.Slot) Finding {
	const code = "slot_retained"
	limit, name := f.config.SlotWarnBytes, "slot-warn-size"
	if keep := f.settings["max_slot_wal_keep_size"].number() << 20; keep >= 0 && (limit == 0 || keep < limit) {
		limit, name = keep, "max_slot_wal_keep_size"
	}
	size := bytesOf(s.RetainedBytes)
	if limit == 0 || s.RetainedBytes*100 < limit*nearLimit {
		return fine(code, Slot, s.Name, "Postgres keeps %s of WAL for it (wal_status %s)", size, s.WALStatus)
	}
	what := warning(code, Slot, s.Name, "Postgres keeps %s of WAL for it (wal_status %s), and %s is %s", size, s.WALStatus, name, bytesOf(limit))
	if s.Holder != nil {
		return what.advised("its reader does not keep up, or an open transaction holds it back: look at the lag of walcast in /readyz, and at pg_stat_activity for transactions that are open for long")
	}
	what.Advice = "start walcast, which reads on; or drop the slot if it is not used any more"
	return what.cured(dropped(s.Name), costOfDrop, replicating)
}

// waiting says what the slot would wait for when it is made.
func waiting(f *facts) (findings []Finding) {
	if !f.self.monitors {
		findings = append(findings, fine("open_transaction_unseen", Slot, f.config.Slot, "transactions of other roles that it would wait for are not seen, but for prepared ones, as walcast's role is not in pg_monitor").
			cured("GRANT pg_monitor TO "+quote(f.self.acting)+";", "it then sees what other roles do, statements included", superuser))
	}
	for _, w := range f.waits {
		wait := warning("open_transaction", Slot, f.config.Slot, "the slot cannot be made before it ends: %s", w.text)
		if w.fix == "" {
			findings = append(findings, wait.advised("have its owner end it in its own database"))
		} else {
			findings = append(findings, wait.cured(w.fix, "the transaction is taken back", "its owner, or "+superuser))
		}
	}
	return findings
}

// muchBehind is how much WAL may not have been sent to a reader before it is worth a
// word, in bytes.
const muchBehind = 256 << 20

// decoding says whether Postgres' process that decodes for our slot keeps up.
func decoding(f *facts) (findings []Finding) {
	s := f.slot()
	if s == nil {
		return nil
	}
	if b := f.streams.behind; b > muchBehind {
		findings = append(findings, warning("decoder_behind", Slot, s.Name, "its reader has still to be sent what is in %s of WAL: Postgres decodes a large transaction, or the reader takes it too slowly", bytesOf(b)).
			advised("wait for it, and look at walcast's lag in /readyz"))
	}
	if n := f.streams.spilled; n > 0 {
		findings = append(findings, fine("decoder_spilled", Slot, s.Name, "%d transactions were larger than logical_decoding_work_mem and were decoded from disk, which takes about a quarter more time", n))
	}
	return findings
}

// failover says what becomes of the slot when a standby is promoted.
func failover(f *facts) []Finding {
	const code = "failover"
	s := f.slot()
	switch {
	case f.server.isStandby || f.streams.standbys == 0:
		return nil
	case f.server.major() < 17:
		return []Finding{warning(code, Slot, f.config.Slot, "there is a standby, and up to Postgres 16 it has no slots: after a failover walcast makes its slot anew, and clients have to resync").
			advised("have what manages the failover keep the slot, as Patroni and CloudNativePG can, or upgrade to Postgres 17")}
	case s == nil && !f.config.SlotFailover, s != nil && !s.Failover:
		return []Finding{warning(code, Slot, f.config.Slot, "there is a standby, and it does not keep the slot: after a failover walcast makes it anew, and clients have to resync").
			advised("set slot-failover; on the standby sync_replication_slots = on, hot_standby_feedback = on, primary_slot_name, and a dbname in primary_conninfo")}
	case f.settings["synchronized_standby_slots"].value == "":
		return []Finding{warning(code, Slot, f.config.Slot, "its standbys keep it, and clients may be told changes that no standby has when the primary fails: they have to resync then").
			advised("set synchronized_standby_slots to the standby's physical slot; while that standby is down nothing is told then")}
	}
	return []Finding{fine(code, Slot, f.config.Slot, "standbys keep it, and are told changes before clients are")}
}

// muchForeign is how much WAL an idle slot of somebody else may keep before it is worth a
// word, in bytes.
const muchForeign = 1 << 30

// otherSlots looks for slots that nobody reads, ours of other names and those of others.
func otherSlots(f *facts) (findings []Finding) {
	for i := range f.slots {
		s := &f.slots[i]
		if s.Name == f.config.Slot || s.Active || s.Temporary() {
			continue
		}
		isOurs := strings.Contains(s.Name, "walcast") && s.Plugin == "pgoutput"
		keeps := fmt.Sprintf("and keeps %s of WAL", bytesOf(s.RetainedBytes))
		if _, lost := s.Lost(); lost {
			keeps = "is lost, and keeps a place among max_replication_slots"
		}
		switch {
		case isOurs:
			findings = append(findings, warning("slot_orphaned", Slot, s.Name, "it looks like a slot of a walcast with other settings, is read by nobody, %s", keeps).
				cured(dropped(s.Name), costOfDrop, replicating))
		case s.RetainedBytes > muchForeign:
			findings = append(findings, warning("slot_foreign", Slot, s.Name, "it belongs to another program (plugin %s, database %s), is read by nobody, %s", s.Plugin, s.Database, keeps).
				cured(dropped(s.Name), "the program that it belongs to has to copy its data anew", replicating))
		}
	}
	return findings
}
