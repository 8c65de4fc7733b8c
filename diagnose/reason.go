package diagnose

import (
	"regexp"
	"strings"

	"walcast/protocol"
)

var (
	// offer is how a text ends that goes on with the fix.
	offer = regexp.MustCompile(`[:.]? (To (get|see|show)[a-z ]*|Cure): $`)
	// refusal is how a text begins that has what Postgres has said behind it.
	refusal = regexp.MustCompile(`(?s)^Unable to subscribe to changes with given parameters\. An exception happened so please check your connect parameters: .*\. Exception: `)
)

// Reason is the message of a problem of a table for whoever knows the binding, without what
// the fix repeats.
func Reason(p protocol.Problem, schema, table string) string {
	reason := p.Message
	for _, prefix := range []string{protocol.Warning(""), "No snapshot of " + quote(schema, table) + ": "} {
		reason = strings.TrimPrefix(reason, prefix)
	}
	reason = refusal.ReplaceAllString(reason, "")
	if said := p.Fix; said != "" || p.Cost != "" {
		if said == "" {
			said = p.Cost
		}
		reason = strings.TrimRight(offer.ReplaceAllString(strings.TrimSuffix(reason, said), ""), ". ")
	}
	return reason
}

// ReasonUnpublished is why no changes come of a table that is not published, whoever asks.
// code is that of the problem.
func ReasonUnpublished(code string) string {
	switch code {
	case protocol.CodeUnknownTable:
		return "there is no such table"
	case protocol.CodeNotATable:
		return "it is no table: only tables have changes, and those that a view reads are to be bound to"
	case protocol.CodePublicationMissing:
		return "it is not published, as there is no publication"
	}
	return "it is not published, so that no changes come of it"
}
