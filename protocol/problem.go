package protocol

import "encoding/json"

// Problem is why row changes do not come, or not as the client may expect.
type Problem struct {
	Message string // for people: upstream's text where it has one
	Code    string // for programs
	Fix     string // the SQL that cures it; "" where none does
	Cost    string // what else Fix does, or why there is none
}

// Warning is the problem as it is told on a channel that works all the same.
func (p Problem) Warning() Problem {
	p.Message = Warning(p.Message)
	return p
}

// The codes of problems. They are in docs/protocol.md and do not change.
const (
	CodeInvalidBinding     = "invalid_binding"
	CodeInvalidFilter      = "invalid_filter"
	CodeInvalidValue       = "invalid_value"
	CodeUnknownOperator    = "unknown_operator"
	CodeUnknownSchema      = "unknown_schema"
	CodeUnknownTable       = "unknown_table"
	CodeUnknownColumn      = "unknown_column"
	CodeUnknownRole        = "unknown_role"
	CodeNotATable          = "not_a_table"
	CodeNotPublished       = "not_published"
	CodeColumnNotPublished = "column_not_published"
	CodeColumnNotGranted   = "column_not_granted"
	CodeNotGranted         = "not_granted"
	CodeKeyNotGranted      = "key_not_granted"
	CodeSchemaNotGranted   = "schema_not_granted"
	CodeNoPolicy           = "no_policy"
	CodePolicyUnjudged     = "policy_unjudged"
	CodeReplicaIdentity    = "replica_identity"
	CodeEventNotPublished  = "event_not_published"
	CodePolicyRaised       = "policy_raised"
	CodeFilterRaised       = "filter_raised"
	CodeTooSlow            = "too_slow"
	CodeDatabaseAway       = "database_away"
	CodePublicationMissing = "publication_missing"
	CodePublicationLists   = "publication_lists"
	CodePublicationFilter  = "publication_filter"
	CodeInvalidOrder       = "invalid_order"
	CodeInvalidLimit       = "invalid_limit"
	CodeNoKey              = "no_key"
	CodeSnapshotDenied     = "snapshot_denied"
	CodeSnapshotTooLarge   = "snapshot_too_large"
	CodeSnapshotTimeout    = "snapshot_timeout"
	CodeLimitWithView      = "limit_with_view"
	CodeViewTooLarge       = "view_too_large"
	CodeViewRechecked      = "view_rechecked"
)

// DatabaseAway warns that the database does not answer. Nothing that commits is lost.
func DatabaseAway() Problem {
	return Problem{Message: MessageDatabaseAway, Code: CodeDatabaseAway}.Warning()
}

// payload is the payload of the system event that tells of the problem.
func (p Problem) payload(extension, status, subTopic string) json.RawMessage {
	b := appendSystem(make([]byte, 0, 128+len(p.Message)+len(p.Fix)+len(subTopic)), extension, status, p.Message, subTopic)
	b = append(b, `,"code":`...)
	b = appendQuoted(b, p.Code)
	if p.Fix != "" {
		b = append(b, `,"fix":`...)
		b = appendQuoted(b, p.Fix)
	}
	if p.Cost != "" {
		b = append(b, `,"cost":`...)
		b = appendQuoted(b, p.Cost)
	}
	return append(b, '}')
}
