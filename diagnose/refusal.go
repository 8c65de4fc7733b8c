package diagnose

import (
	"fmt"
	"strings"

	"walcast/filters"
	"walcast/protocol"
)

// refusedBy returns upstream's text for a binding that the database
// refuses.
func refusedBy(b *Binding, e *filters.BindError) string {
	return fmt.Sprintf("Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: %s. Exception: ERROR %s (%s) %s",
		parameters(b), e.SQLState, e.Condition, e.Message)
}

// parameters lists a binding's entries as upstream does: bare names, and
// Elixir lists for filters and select.
func parameters(b *Binding) string {
	event := strings.ToUpper(b.Spec.Event)
	if event == "" {
		event = "*"
	}
	var conditions []string
	for _, c := range b.Filter {
		conditions = append(conditions, fmt.Sprintf("{%s, %s, %s, %t}",
			protocol.Quote(c.Column), protocol.Quote(string(c.Op)), protocol.Quote(c.Value), c.Negate))
	}
	columns := "nil"
	if b.Spec.Select != nil {
		var quoted []string
		for _, s := range b.Spec.Select {
			quoted = append(quoted, protocol.Quote(clip(s)))
		}
		columns = "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprintf("[event: %s, schema: %s, table: %s, filters: [%s], select: %s]",
		event, clip(b.Spec.Schema), clip(b.Spec.Table), strings.Join(conditions, ", "), columns)
}
