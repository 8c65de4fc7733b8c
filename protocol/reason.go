package protocol

import "strings"

// The reasons of refused joins (docs/protocol.md, "Refused joins"). Those of
// tokens are in auth, those of a private channel's check in policy.
const (
	ReasonUnmatchedTopic    = "unmatched topic"
	ReasonTopicNameRequired = "TopicNameRequired: You must provide a topic name"
	ReasonPrivateOnly       = "PrivateOnly: This project only allows private channels"
	ReasonTooManyJoins      = "ClientJoinRateLimitReached: Too many joins per second"
	ReasonTooManyChannels   = "ChannelRateLimitReached: Too many channels"
	ReasonTooManyBindings   = "TooManyBindings: A channel can have at most 10000 postgres_changes bindings"
	ReasonDatabaseAway      = "UnableToConnectToProject: Realtime was unable to connect to the project database"
	ReasonMissingPartition  = "MissingPartition: Realtime was unable to find the expected messages partition"
	ReasonReplayPublic      = "UnableToReplayMessages: Replay is not allowed for public channels"
	ReasonReplayParams      = "UnableToReplayMessages: Replay params are not valid"
	ReasonReplayFailed      = "UnableToReplayMessages: Realtime was unable to replay messages"
)

// The reasons why a message on a joined channel is refused.
const (
	ReasonPayloadTooLarge = "payload_size_exceeded" // upstream's text, there a bare string
	ReasonPayloadNotMap   = "Broadcast payload must be a map"
	ReasonTooManyMessages = "Too many messages per second"
	ReasonTooManyBytes    = "Too many bytes per second"
	ReasonTrackNotMap     = "Presence track payload must be a map"
	ReasonTrackTooLarge   = "Track message size exceeded"
)

// ReasonNotReadable is the reason for a subject that may not read a private
// topic.
func ReasonNotReadable(subTopic string) string {
	return "Unauthorized: " + MessageNotReadable(subTopic)
}

// ReasonNotWritable is the reason for a broadcast by a subject that may not
// write to a private topic. Upstream says nothing.
func ReasonNotWritable(subTopic string) string {
	return "Unauthorized: You do not have permissions to write to this Channel topic: " + subTopic
}

// WithoutCode is a reason as a system message has it: without the code and the
// colon in front.
func WithoutCode(reason string) string {
	code, text, found := strings.Cut(reason, ": ")
	if !found || code == "" || strings.ContainsFunc(code, notLetter) {
		return reason
	}
	return text
}

func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
