package protocol

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// The extensions that system events speak for.
const (
	ExtensionPostgres = "postgres_changes"
	ExtensionSystem   = "system"
)

// The messages of system events (docs/protocol.md, "System events"). Those of
// tokens are in auth.
const (
	MessageSubscribed         = "Subscribed to PostgreSQL"
	MessageReplicationReady   = "Replication connection established"
	MessageReplicationAway    = "Replication connection was not established in time"
	MessageDatabaseAway       = "Realtime was unable to connect to the project database"
	MessagePublicationMissing = "Row changes do not come: the publication does not exist"
	MessagePublicationsDiffer = "Row changes do not come: the publications have different columns of a table"
	MessageFilterRaises       = "Row changes do not come: a row filter of the publication raises an error"
	MessageUnsubscribed       = "Unsubscribed by the server"
	MessageDisconnected       = "Disconnected by the server"
)

// messageNotReadable is for a subject that may not read a private topic.
func messageNotReadable(subTopic string) string {
	return "You do not have permissions to read from this Channel topic: " + subTopic
}

// MessageNoLongerReadable is for a new token that may read less of the private
// topic than the one before, and for a client that has lost the right to read it.
func MessageNoLongerReadable(subTopic string) string {
	return "You no longer have permission to read from this Channel topic: " + subTopic
}

// PolicyRaised is the message for the subjects for whom a policy of a table
// raises: they do not get its changes, and others do.
func PolicyRaised(table, sqlState, message string) string {
	return fmt.Sprintf("Changes of %s are not delivered: its row-level security raised ERROR %s %s", table, sqlState, message)
}

// FilterRaised tells of a filter that Postgres refused to decide for a row. What
// it said may quote the row.
func FilterRaised(table, sqlState string) string {
	return fmt.Sprintf("Changes of %s are not delivered: the filter raised ERROR %s (the server's log has its text)", table, sqlState)
}

// TooSlow tells of a binding that was switched off, as deciding what it gets takes
// Postgres too long.
func TooSlow(table, what string) string {
	return fmt.Sprintf("Changes of %s are not delivered to this binding any more: %s takes the database too long to decide", table, what)
}

// Warning is a message about something that works otherwise than the client may
// expect. It goes out with status ok: error is for channels that have stopped, or
// all of whose bindings have, since there are clients that then join anew.
func Warning(text string) string { return "warning: " + text }

// systemPayload is the payload of a system event. Without a sub-topic it has no
// "channel".
func systemPayload(extension, status, message, subTopic string) json.RawMessage {
	b := appendSystem(make([]byte, 0, 96+len(message)+len(subTopic)), extension, status, message, subTopic)
	return append(b, '}')
}

// Refused is the system event that tells why there is no session. No channel is
// meant, so its topic is that of the socket.
func (v Version) Refused(code int, reason string) *Frame {
	return v.Push("", "", TopicPhoenix, EventSystem, codedSystem(nil, code, reason))
}

// codedSystem is the payload of the system event that stands for a close code, or
// before one.
func codedSystem(dst []byte, code int, reason string) []byte {
	dst = appendSystem(dst, ExtensionSystem, StatusError, reason, "")
	dst = append(dst, `,"code":`...)
	return append(strconv.AppendInt(dst, int64(code), 10), '}')
}

func appendSystem(dst []byte, extension, status, message, subTopic string) []byte {
	dst = append(dst, `{"message":`...)
	dst = appendQuoted(dst, message)
	dst = append(dst, `,"status":`...)
	dst = appendQuoted(dst, status)
	dst = append(dst, `,"extension":`...)
	dst = appendQuoted(dst, extension)
	if subTopic != "" {
		dst = append(dst, `,"channel":`...)
		dst = appendQuoted(dst, subTopic)
	}
	return dst
}

// ResyncDetail says why a client has to fetch its data again. Positions are as
// replication prints them, "" where there is none.
type ResyncDetail struct {
	Reason   string // for people
	Code     string // for programs
	From     string // the last position that the client is known to have
	Oldest   string // the oldest position that could have been continued from
	Position string // everything after it is delivered
	History  string // what the client is to keep beside it
}

// The code and the reason of a resync that gives up broadcasts and nothing else.
const (
	CodeBroadcastsMissed   = "broadcasts_missed"
	ReasonBroadcastsMissed = "broadcasts were missed that the server does not keep any more"
)

// resyncPayload is the payload of the system event that tells a client to fetch its
// data again. The status is ok, as the channel goes on: there are clients that give
// a channel up, or join it anew, when they read error.
func resyncPayload(subTopic string, d ResyncDetail) json.RawMessage {
	b := appendSystem(make([]byte, 0, 256+len(d.Reason)), ExtensionPostgres, StatusOK, "resync_required: "+d.Reason, subTopic)
	b = append(b, `,"code":`...)
	b = appendQuoted(b, d.Code)
	for _, position := range []struct{ key, text string }{
		{`,"from":`, d.From}, {`,"oldest":`, d.Oldest}, {`,"position":`, d.Position},
	} {
		b = append(b, position.key...)
		if position.text == "" {
			b = append(b, "null"...)
		} else {
			b = appendQuoted(b, position.text)
		}
	}
	return append(appendHistory(b, d.History), '}')
}
