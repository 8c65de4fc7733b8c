package channels

import (
	"fmt"
	"strings"

	"walcast/filters"
	"walcast/protocol"
)

// notPublished is upstream's text for a binding that no published table fits.
func notPublished(b *binding) string {
	return "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: " + parameters(b)
}

// refusedBy is upstream's text for a binding that the database refuses.
func refusedBy(b *binding, e *filters.BindError) string {
	return fmt.Sprintf("Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: %s. Exception: ERROR %s (%s) %s",
		parameters(b), e.SQLState, e.Condition, e.Message)
}

// parameters lists what a binding asked for as upstream does (wire reference
// 4.4): bare names, Elixir lists for filters and select.
func parameters(b *binding) string {
	event := strings.ToUpper(b.spec.Event)
	if event == "" {
		event = "*"
	}
	var conditions []string
	for _, c := range b.filter {
		conditions = append(conditions, fmt.Sprintf("{%s, %s, %s, %t}",
			protocol.Quote(c.Column), protocol.Quote(string(c.Op)), protocol.Quote(c.Value), c.Negate))
	}
	columns := "nil"
	if b.spec.Select != nil {
		var quoted []string
		for _, s := range b.spec.Select {
			quoted = append(quoted, protocol.Quote(s))
		}
		columns = "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprintf("[event: %s, schema: %s, table: %s, filters: [%s], select: %s]",
		event, b.spec.Schema, b.spec.Table, strings.Join(conditions, ", "), columns)
}
