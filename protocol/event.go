package protocol

// The events of docs/protocol.md, "Messages".
const (
	EventJoin            = "phx_join"
	EventLeave           = "phx_leave"
	EventReply           = "phx_reply"
	EventClose           = "phx_close" // final: clients do not come back
	EventError           = "phx_error" // clients join again
	EventHeartbeat       = "heartbeat"
	EventAccessToken     = "access_token"
	EventBroadcast       = "broadcast"
	EventPresence        = "presence"
	EventPresenceState   = "presence_state"
	EventPresenceDiff    = "presence_diff"
	EventPostgresChanges = "postgres_changes"
	EventSystem          = "system"
	EventPosition        = "position"        // ours: how far a channel is
	EventPostgresCommit  = "postgres_commit" // ours: a transaction has been sent
	EventProgress        = "progress"        // ours: what a client waits for has been sent
)

// TopicPhoenix is the topic of heartbeats.
const TopicPhoenix = "phoenix"

// TopicPrefix starts every topic that can be joined. What follows is the
// sub-topic, which is what clients pass to channel().
const TopicPrefix = "realtime:"

// The names that a binding's event, and the type of a change, can have.
const (
	changeInsert   = "INSERT"
	changeUpdate   = "UPDATE"
	changeDelete   = "DELETE"
	changeTruncate = "TRUNCATE" // only bindings that name it get it
	changeAny      = "*"        // INSERT, UPDATE and DELETE
)
