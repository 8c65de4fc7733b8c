package protocol

import "encoding/json"

// Version is a serialisation of the protocol (wire reference 2).
type Version uint8

// The versions.
const (
	V1 Version = iota + 1 // vsn 1.0.0: JSON objects
	V2                    // vsn 2.0.0: JSON arrays and binary frames
)

// ParseVersion reads the vsn parameter; "" is 1.0.0 (wire reference 1.4).
func ParseVersion(vsn string) (Version, error) { panic("contract") }

// Ref is a client's reference as raw JSON, echoed as it came: `"1"`, `7`, `{}`.
// The empty Ref is null.
type Ref string

// Kind says how a message's payload is to be read.
type Kind uint8

// The kinds of inbound message.
const (
	JSON          Kind = iota // Payload is any JSON value
	Binary                    // kind 0 push: Payload is opaque
	UserBroadcast             // kind 3: Event is "broadcast", UserEvent and Encoding are set
)

// Encoding of a user broadcast's payload.
type Encoding uint8

// The encodings of wire reference 2.3.
const (
	EncodingBinary Encoding = 0
	EncodingJSON   Encoding = 1
)

// Message is one decoded frame from a client. Payload is the message's own copy.
type Message struct {
	JoinRef, Ref Ref
	Topic, Event string
	Kind         Kind
	Payload      []byte
	UserEvent    string
	Encoding     Encoding
}

// Decode reads one WebSocket message. Its errors mean "malformed": upstream
// drops such a frame and keeps the socket.
func (v Version) Decode(data []byte, binary bool) (Message, error) { panic("contract") }

// Frame is one WebSocket message, header included, ready for a socket. It is
// built once per distinct content and shared by every receiver; it never changes.
type Frame struct {
	wire   []byte // unmasked FIN header and payload
	header int
}

// Wire is the header and payload as they go to the socket.
func (f *Frame) Wire() []byte { return f.wire }

// Payload is the frame without its WebSocket header.
func (f *Frame) Payload() []byte { return f.wire[f.header:] }

// Reply builds phx_reply; response is raw JSON.
func (v Version) Reply(joinRef, ref Ref, topic, status string, response json.RawMessage) *Frame {
	panic("contract")
}

// Push builds a frame for one channel (joinRef) or for all (joinRef ""). In
// 1.0.0 only ref is sent; phx_close and phx_error carry the join_ref as ref.
func (v Version) Push(joinRef, ref Ref, topic, event string, payload json.RawMessage) *Frame {
	panic("contract")
}

// Changes builds postgres_changes: ids is the JSON array of binding ids, data
// what Data.Append made.
func (v Version) Changes(topic string, ids, data []byte) *Frame { panic("contract") }

// Broadcast builds the frame of a broadcast for receivers of this version
// (wire reference 2.4), nil when they cannot have it. meta is raw JSON or nil.
func (v Version) Broadcast(topic string, b Broadcast) *Frame { panic("contract") }

// Broadcast is a broadcast on its way to receivers.
type Broadcast struct {
	// Relay is a pushed text payload to be relayed verbatim; when set, Event,
	// Encoding and Payload are not used.
	Relay    json.RawMessage
	Event    string
	Encoding Encoding
	Payload  []byte
	Meta     json.RawMessage
}

// Data is the content of a row change's "data" object (wire reference 4.8).
type Data struct {
	Type, Schema, Table string
	CommitTimestamp     string // see AppendTimestamp
	Columns             []byte // raw JSON array
	Record, OldRecord   []byte // raw JSON objects, nil when absent
	Errors              []string
	LSN                 string // commit LSN of the position
	Seq                 uint32 // index of the position
	Unchanged           []string
	Truncated           []string
}

// Append writes the object.
func (d Data) Append(dst []byte) []byte { panic("contract") }

// Join is the payload of phx_join after coercion (wire reference 3.4).
type Join struct {
	Legacy           bool // no "config" key
	Private          bool
	BroadcastAck     bool
	BroadcastSelf    bool
	ReplicationReady bool
	Replay           *Replay // nil when absent
	PresenceEnabled  bool    // true unless explicitly false (decisions 25)
	PresenceKey      string  // "" to be generated
	Bindings         []Binding
	AccessToken      *string // the channel token by the rules of 3.4; nil: use the connection's
	Warnings         []string
}

// Replay is config.broadcast.replay.
type Replay struct {
	Since int64 // milliseconds since the epoch
	Limit int   // 1 to 25
}

// Binding is one postgres_changes entry.
type Binding struct {
	Raw          json.RawMessage // the client's object, verbatim
	ID           int64           // derived from the content, 1 .. 2^31-1, distinct within the join
	Event        string          // INSERT, UPDATE, DELETE, TRUNCATE, "*"; as given when invalid
	Schema       string
	Table        string
	Filter       string
	Select       []string // nil when absent
	Int8AsString bool
	// Err is upstream's text when the parameters cannot be served (4.4).
	Err string
}

// ParseJoin reads a join payload for a topic. An error is a refusal; its text
// is the reason.
func ParseJoin(subTopic string, payload []byte) (*Join, error) { panic("contract") }

// Response is the join reply's response object: the bindings verbatim, in
// order, each with its id added, and position when not empty.
func (j *Join) Response(position string) json.RawMessage { panic("contract") }
