package protocol

import (
	"errors"
	"fmt"
)

// Refusal is why the server does not do what a client asks. It is an error, and
// two of them are equal when they say the same.
type Refusal struct {
	Code string // names the kind, such as PrivateOnly; "" where upstream has no name
	Text string // says it to people
}

// Error is the reason that a refused join or message is answered with: the code
// and the text.
func (r Refusal) Error() string {
	if r.Code == "" {
		return r.Text
	}
	return r.Code + ": " + r.Text
}

// RefusalOf is the refusal that an error is, or one that says the same.
func RefusalOf(err error) Refusal {
	var refusal Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return Refusal{Text: err.Error()}
}

// CodeUnauthorized is the code of a subject that lacks a permission.
const CodeUnauthorized = "Unauthorized"

// CodeBusTooLarge is the code of a broadcast that nodes of a cluster cannot send each other.
const CodeBusTooLarge = "ClusterMessageTooLarge"

// Codes of more than one refusal.
const (
	codeUnknownError    = "UnknownErrorOnChannel"
	codeInvalidTopic    = "InvalidTopicName"
	codeTooManyBindings = "TooManyBindings"
	codePresenceFull    = "PresenceFull"
	codeReplay          = "UnableToReplayMessages"
)

// CodeSubscribeTimeout is the code of a join whose bindings were not checked within
// the time that it waits for that.
const CodeSubscribeTimeout = "PostgresChangesSubscribeTimeout"

// Unserved is the refusal of a join that waits for its bindings, with why they do
// not work. It is an error.
type Unserved struct {
	Refusal Refusal
	Problem Problem // its code and fix stand beside the reason; the message is the refusal's
}

// Unserve refuses a join for a problem of its bindings.
func Unserve(p Problem) Unserved {
	return Unserved{Refusal: Refusal{"RealtimeDisabledForConfiguration", p.Message}, Problem: p}
}

// Error is the reason of the refusal.
func (u Unserved) Error() string { return u.Refusal.Error() }

// Unwrap is the refusal.
func (u Unserved) Unwrap() error { return u.Refusal }

// The refusals of joins.
var (
	RefuseUnmatchedTopic    = Refusal{Text: "unmatched topic"}
	RefuseTopicNameRequired = Refusal{"TopicNameRequired", "You must provide a topic name"}
	RefuseTopicTooLong      = Refusal{codeInvalidTopic, "A topic name has at most 1024 bytes"}
	RefuseTopicControl      = Refusal{codeInvalidTopic, "A topic name has no control characters"}
	RefusePrivateOnly       = Refusal{"PrivateOnly", "This project only allows private channels"}
	RefuseTooManyJoins      = Refusal{"ClientJoinRateLimitReached", "Too many joins per second"}
	RefuseTooManyChannels   = Refusal{"ChannelRateLimitReached", "Too many channels"}
	RefuseTooManyBindings   = Refusal{codeTooManyBindings, "A channel can have at most 10000 postgres_changes bindings"}
	RefuseDatabaseAway      = Refusal{"UnableToConnectToProject", "Realtime was unable to connect to the project database"}
	RefuseMissingPartition  = Refusal{"MissingPartition", "Realtime was unable to find the expected messages partition"}
	RefuseReplayPublic      = Refusal{codeReplay, "Replay is not allowed for public channels"}
	RefuseReplayParams      = Refusal{codeReplay, "Replay params are not valid"}
	RefuseReplayFailed      = Refusal{codeReplay, "Realtime was unable to replay messages"}
	RefuseTooManySubjects   = Refusal{"TooManySubjects", "The server has no room for the claims of one more token"}
	RefuseSubscribeFlood    = Refusal{CodeSubscribeTimeout, "More changes came than can wait for the postgres_changes subscription"}
	RefuseUnknown           = Refusal{Text: "Unknown Error on Channel"}
)

// The refusals of messages on a joined channel.
var (
	RefusePayloadTooLarge = Refusal{Text: "payload_size_exceeded"} // upstream's text, there a bare string
	RefusePayloadNotMap   = Refusal{Text: "Broadcast payload must be a map"}
	RefuseHugeNumber      = Refusal{Text: "The payload has a number that a double cannot hold"}
	RefusePersistTTL      = Refusal{"InvalidPersistTtl", "persist must be true, or have a ttl of 1 to 259200 seconds"}
	RefusePersistPublic   = Refusal{"PersistNotPrivate", "persist can only be used on private channels"}
	RefusePersistFailed   = Refusal{"UnableToPersistMessage", "Realtime was unable to store the message"}
	RefusePersistJSON     = Refusal{"InvalidPayload", "Postgres cannot store the payload as JSON"}
	RefuseTooManyMessages = Refusal{Text: "Too many messages per second"}
	RefuseTooManyBytes    = Refusal{Text: "Too many bytes per second"}
	RefuseBusAway         = Refusal{"ClusterUnavailable", "Only clients of this node get the message: it is not connected to the other nodes, or they cannot be reached fast enough"}
	RefuseTrackNotMap     = Refusal{Text: "Presence track payload must be a map"}
	RefuseTrackTooLarge   = Refusal{Text: "Track message size exceeded"}
	RefuseRoomFull        = Refusal{codePresenceFull, "What is tracked on a topic can have 2097152 bytes together"}
)

// RefuseSessionBindings is for a join with which the channels of a session would
// have more bindings than they may.
func RefuseSessionBindings(limit int) Refusal {
	return Refusal{codeTooManyBindings, fmt.Sprintf("The channels of a session can have at most %d postgres_changes bindings", limit)}
}

// RefuseSessionBytes is for a join with which the joins of a session's channels
// would be longer than they may.
func RefuseSessionBytes(limit int) Refusal {
	return Refusal{codeTooManyBindings, fmt.Sprintf("The joins of a session's channels can have at most %d bytes", limit)}
}

// RefuseAllBytes is for a join with which the joins of all sessions would take more memory than
// they may.
func RefuseAllBytes(limit int) Refusal {
	return Refusal{codeTooManyBindings, fmt.Sprintf("The joins of all sessions take %d bytes already: try again later, or with fewer bindings", limit)}
}

// RefuseSessionTracked is for what a channel wants to track if its session's channels would hold
// more with it than they may, with their joins.
func RefuseSessionTracked(limit int) Refusal {
	return Refusal{codePresenceFull, fmt.Sprintf("The joins of a session's channels and what they track can have at most %d bytes", limit)}
}

// RefuseAllTracked is for what a channel wants to track if all sessions would take more memory
// with it than they may.
func RefuseAllTracked(limit int) Refusal {
	return Refusal{codePresenceFull, fmt.Sprintf("The joins of all sessions and what they track take %d bytes already: try again later, or track less", limit)}
}

// RefuseBus is for a broadcast that is larger than the bus between the nodes of a cluster
// takes.
func RefuseBus(size, limit int) Refusal {
	return Refusal{CodeBusTooLarge, fmt.Sprintf("The message takes %d bytes, and nodes can send each other %d: make it smaller, or raise max_payload of NATS", size, limit)}
}

// RefuseRead is for a subject that may not read a private topic.
func RefuseRead(subTopic string) Refusal {
	return Refusal{CodeUnauthorized, messageNotReadable(subTopic)}
}

// RefuseStore is for a broadcast that is to be kept by a subject that may not do that
// on a private topic.
func RefuseStore(subTopic string) Refusal {
	return Refusal{CodeUnauthorized, "You do not have permissions to store messages of this Channel topic: " + subTopic}
}

// RefuseWrite is for a broadcast by a subject that may not write to a private
// topic. Upstream says nothing.
func RefuseWrite(subTopic string) Refusal {
	return Refusal{CodeUnauthorized, "You do not have permissions to write to this Channel topic: " + subTopic}
}
