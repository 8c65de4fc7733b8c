package protocol

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Join is the payload of phx_join after coercion (docs/protocol.md, "Joining").
type Join struct {
	Legacy           bool // no "config" key
	Private          bool
	BroadcastAck     bool
	BroadcastSelf    bool
	ReplicationReady bool
	Replay           *Replay // nil when absent
	PresenceEnabled  bool    // true unless explicitly false
	PresenceKey      string  // "" to be generated
	Bindings         []Binding
	Wait             time.Duration // how long the reply is to wait until the bindings are checked; 0 is not at all
	AccessToken      *string       // the channel token; nil: use the connection's

	// Warnings are messages for system events with status ok: fields that were
	// invalid and took their default.
	Warnings []string
}

// maxWarnings is how many fields are worth telling about at once.
const maxWarnings = 16

// ParseJoin reads a join payload for a topic. An error is a Refusal.
func ParseJoin(subTopic string, payload []byte) (*Join, error) {
	if err := CheckTopic(subTopic); err != nil {
		return nil, err
	}
	doc, ok := parse(payload)
	if !ok {
		return nil, Refusal{codeUnknownError, "the payload is not JSON"}
	}
	if doc.kind() != '{' {
		return nil, Refusal{codeUnknownError, "expected params to be a :map, got: `" + doc.inspect() + "`"}
	}
	var config, accessToken, userToken value
	for name, v := range doc.pairs() {
		switch string(name) {
		case "config":
			config = v
		case "access_token":
			accessToken = v
		case "user_token":
			userToken = v
		}
	}
	j := &Join{PresenceEnabled: true, AccessToken: channelToken(accessToken, userToken)}
	if config == nil {
		j.Legacy = true
		j.Bindings = []Binding{legacyBinding(subTopic)}
		return j, nil
	}
	if err := j.configure(config); err != nil {
		return nil, err
	}
	return j, nil
}

// configure reads "config". The order matters: replay depends on private.
func (j *Join) configure(config value) error {
	if config.isNull() {
		return nil
	}
	if config.kind() != '{' {
		return notMap("config", config)
	}
	var private, broadcast, presence, changes, options value
	for name, v := range config.pairs() {
		switch string(name) {
		case "private":
			private = v
		case "broadcast":
			broadcast = v
		case "presence":
			presence = v
		case "postgres_changes":
			changes = v
		case "postgres_changes_options":
			options = v
		}
	}
	if private != nil {
		var ok bool
		if j.Private, ok = private.flexible(); !ok {
			return Refusal{"InvalidJoinPayload", "config.private must be true or false, got: " + private.inspect()}
		}
	}
	if err := j.configureBroadcast(broadcast); err != nil {
		return err
	}
	j.configurePresence(presence)
	j.configureWait(options)
	return j.bind(changes)
}

func (j *Join) configureBroadcast(broadcast value) error {
	if broadcast.isNull() {
		return nil
	}
	if broadcast.kind() != '{' {
		return notMap("config.broadcast", broadcast)
	}
	var replay value
	for name, v := range broadcast.pairs() {
		switch string(name) {
		case "ack":
			j.BroadcastAck = j.flag("config.broadcast.ack", v, false)
		case "self":
			j.BroadcastSelf = j.flag("config.broadcast.self", v, false)
		case "replication_ready":
			j.ReplicationReady = j.flag("config.broadcast.replication_ready", v, false)
		case "replay":
			replay = v
		}
	}
	return j.configureReplay(replay)
}

func (j *Join) configurePresence(presence value) {
	if !presence.isNull() && presence.kind() != '{' {
		j.warn("config.presence", "a map", "defaults are used")
		return
	}
	for name, v := range presence.pairs() {
		switch string(name) {
		case "enabled":
			j.PresenceEnabled = j.flag("config.presence.enabled", v, true)
		case "key":
			j.PresenceKey = j.presenceKey(v)
		}
	}
}

// presenceKey reads a key as upstream does: numbers and booleans by their
// spelling, lists of strings joined, and a generated one for what is blank.
func (j *Join) presenceKey(v value) string {
	var key string
	switch v.kind() {
	case 'n':
		return ""
	case '"':
		key, _ = v.text()
	case '0', 't', 'f':
		key = string(v)
	default:
		key = v.joined()
		if key == "" {
			j.warn("config.presence.key", "string", "a generated key is used")
		}
	}
	if !isKey(key) {
		j.warn("config.presence.key", "at most 1024 bytes without control characters", "a generated key is used")
		return ""
	}
	if strings.TrimSpace(key) == "" {
		return ""
	}
	return key
}

// joined is a list of strings in one; "" for anything else.
func (v value) joined() string {
	var all []byte
	for e := range v.elements() {
		if e.kind() != '"' {
			return ""
		}
		all = append(all, e.stringBytes()...)
	}
	return string(all)
}

// flag reads a flexible boolean; null and, with a warning, anything invalid are
// the default.
func (j *Join) flag(field string, v value, byDefault bool) bool {
	if v.isNull() {
		return byDefault
	}
	b, ok := v.flexible()
	if !ok {
		j.warn(field, "boolean", strconv.FormatBool(byDefault)+" is used")
		return byDefault
	}
	return b
}

// flexible reads a flexible boolean: true, false, or a string that says so in
// any case.
func (v value) flexible() (b, ok bool) {
	switch v.kind() {
	case 't':
		return true, true
	case 'f':
		return false, true
	case '"':
		s, _ := v.text()
		b = strings.EqualFold(s, "true")
		return b, b || strings.EqualFold(s, "false")
	}
	return false, false
}

// warn notes an invalid field with upstream's words for its log.
func (j *Join) warn(field, expected, instead string) {
	if len(j.Warnings) < maxWarnings {
		j.Warnings = append(j.Warnings, Warning(field+": unable to parse, expected "+expected+"; "+instead))
	}
}

func notMap(field string, v value) error {
	return Refusal{codeUnknownError, "expected " + field + " to be a map, got: " + v.inspect()}
}

// Response is the join reply's response object: the bindings verbatim, in
// order, each with its id added, and position and history when not empty.
func (j *Join) Response(position, history string) json.RawMessage {
	const around, perBinding = len(`{"postgres_changes":[],"position":"","history":""}`), len(`,"id":2147483647,`)
	size := around + len(position) + len(history)
	for i := range j.Bindings {
		size += perBinding + len(j.Bindings[i].Raw)
	}
	dst := append(make([]byte, 0, size), `{"postgres_changes":[`...)
	for i := range j.Bindings {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = j.Bindings[i].appendEcho(dst)
	}
	dst = append(dst, ']')
	if position != "" {
		dst = append(dst, `,"position":`...)
		dst = appendHistory(appendQuoted(dst, position), history)
	}
	return append(dst, '}')
}
