package changelog

import (
	"fmt"

	"walcast/replication/wal"
)

// The machine-readable causes of a resync, the Code of a ResyncError. Begin
// takes one of them, or a sentence, as its reason.
const (
	CodeTooOld       = "position_too_old"    // what comes after it has left the log
	CodeUnknown      = "unknown_position"    // no change of this history has it
	CodeHistory      = "history_changed"     // another history, no further reason known
	CodeSlotLost     = "slot_lost"           // Postgres invalidated the slot
	CodeSlotMissing  = "slot_missing"        // it was dropped by another program
	CodeSlotAdvanced = "slot_advanced"       // another program consumed changes from it
	CodeOtherCluster = "other_cluster"       // another system identifier
	CodeDiverged     = "history_diverged"    // a timeline that lacks what was delivered
	CodePublication  = "publication_missing" // Postgres skipped changes without it
	// CodePublicationFilter: Postgres could not decode a change, as a row filter raised for it.
	CodePublicationFilter = "publication_filter"
)

// sentence is a code in words, "" for what is no code.
func sentence(code string) string {
	switch code {
	case CodeTooOld:
		return "the position is older than what the server keeps"
	case CodeUnknown:
		return "the position is not known to this server"
	case CodeHistory:
		return "the history of the database has changed"
	case CodeSlotLost:
		return "Postgres invalidated the replication slot"
	case CodeSlotMissing:
		return "the replication slot was dropped"
	case CodeSlotAdvanced:
		return "the replication slot was moved past changes that were not read"
	case CodeOtherCluster:
		return "the server now reads another database cluster"
	case CodeDiverged:
		return "the database failed over to a server that lacks the newest changes"
	case CodePublication:
		return "the publication was missing and changes were skipped"
	case CodePublicationFilter:
		return "a row filter of the publication raised an error and changes were skipped"
	}
	return ""
}

// ResyncError says that a consumer cannot have what it missed. Everything after
// Position is still to come.
type ResyncError struct {
	Reason   string       // a sentence for people
	Code     string       // one of the Code constants
	From     wal.Position // what was asked for, or where the cursor stood; zero if unknown
	Oldest   wal.Position // what the log still has
	Position wal.Position // delivery is complete from here on
	History  History      // that Position belongs to; zero before Begin
}

func (e *ResyncError) Error() string {
	return fmt.Sprintf("resync_required: %s", e.Reason)
}

// resyncCause splits the reason of a Begin into code and sentence.
func resyncCause(reason string) (code, text string) {
	if s := sentence(reason); s != "" {
		return reason, s
	}
	if reason == "" {
		return CodeHistory, sentence(CodeHistory)
	}
	return CodeHistory, reason
}
