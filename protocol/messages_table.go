package protocol

import "strings"

// IsMessagesTable reports whether a table is realtime.messages, whose rows are
// messages that are broadcast, or one of its partitions.
func IsMessagesTable(schema, table string) bool {
	return schema == "realtime" && (table == "messages" || strings.HasPrefix(table, "messages_"))
}
