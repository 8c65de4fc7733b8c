package channels

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"walcast/presence"
	"walcast/protocol"
)

// member is a channel's part in the presence of its topic. It is guarded by
// the topic's lock.
type member struct {
	id      presence.ChannelID
	key     string
	watches bool // gets presence_state and presence_diff
	entered bool // has been answered and told who is present
	chosen  bool // the client named the key
	tracks  bool
	pace    presence.Conflator[json.RawMessage]
}

// track is the payload of a presence message.
type track struct {
	Event   *string         `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

// handlePresence acts on a presence message and answers it (wire reference 7.2).
func (c *channel) handlePresence(ctx context.Context, m protocol.Message) {
	var t track
	if err := json.Unmarshal(m.Payload, &t); err != nil || t.Event == nil {
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
		return
	}
	switch strings.ToLower(*t.Event) {
	case "track":
		c.track(ctx, m, t.Payload)
	case "untrack":
		c.topic.untrack(c)
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
	default:
		c.reply(m, protocol.StatusError, protocol.EmptyObject)
	}
}

func (c *channel) track(ctx context.Context, m protocol.Message, payload json.RawMessage) {
	switch {
	case len(payload) > c.session.hub.config.MaxBroadcastBytes:
		c.session.hub.metrics.limited.WithLabelValues(limitBroadcastSize).Inc()
		c.reply(m, protocol.StatusError, protocol.Reason(protocol.RefuseTrackTooLarge))
	case !isMap(payload):
		c.reply(m, protocol.StatusError, protocol.Reason(protocol.RefuseTrackNotMap))
	case !c.mayTrack(ctx):
		c.reply(m, protocol.StatusError, protocol.EmptyObject)
	default:
		c.topic.offer(c, payload)
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
	}
}

// isMap reports whether a payload, which is valid JSON, can be tracked. None at
// all is an empty one.
func isMap(payload json.RawMessage) bool {
	return len(payload) == 0 || payload[0] == '{'
}

// newMember makes a channel's part in presence; an empty key is generated.
func (h *Hub) newMember(key string, watches bool) member {
	chosen := key != ""
	if !chosen {
		key = uuid.NewString()
	}
	return member{
		chosen: chosen,
		id:     presence.ChannelID(h.members.Add(1)), key: key, watches: watches,
		pace: presence.NewConflator[json.RawMessage](h.config.PresenceRate),
	}
}

// offer tracks a payload at once, or when the channel's rate permits; a later
// one takes its place meanwhile (decision 27).
func (t *topic) offer(c *channel, payload json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, here := t.members[c]; !here {
		return
	}
	if !c.member.watches && c.mayWatch() { // who tracks takes part (decision 26)
		c.member.watches = true
		t.sendState(c)
	}
	if payload, ok := c.member.pace.Offer(now(), payload); ok {
		t.track(c, payload)
		return
	}
	t.hub.metrics.limited.WithLabelValues(limitPresence).Inc()
	t.hub.beat.hold(c)
}

// track applies a payload. Called with t.mu held.
func (t *topic) track(c *channel, payload json.RawMessage) {
	if t.state == nil {
		t.state = presence.NewState()
	}
	if !c.member.tracks {
		c.member.tracks = true
		t.embody(c, payload)
	}
	if t.state.Track(c.member.id, c.member.key, payload, t.hub.beat.ref()) == nil { // isMap has been asked
		t.tell()
	}
}

func (t *topic) untrack(c *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(c)
	t.dismiss(c)
}

// drop takes what the channel tracks out of the state. Called with t.mu held.
func (t *topic) drop(c *channel) {
	c.member.pace.Clear()
	if c.member.tracks {
		c.member.tracks = false
		t.state.Untrack(c.member.id)
		t.tell()
	}
}

// tell has the members told soon if something changed. Called with t.mu held.
func (t *topic) tell() {
	if t.state.Pending() {
		t.touch()
	}
}

// touch has the topic flushed soon. Called with t.mu held.
func (t *topic) touch() {
	if !t.touched {
		t.touched = true
		t.hub.beat.touch(t)
	}
}

// sendState tells a channel who is present. It is the state as of the last
// flush: what changed since is in the diff to come, which the channel gets as
// everybody does. Called with t.mu held.
func (t *topic) sendState(c *channel) {
	c.push(c.ref, "", protocol.EventPresenceState, t.present())
}

// present is the payload of presence_state. Called with t.mu held.
func (t *topic) present() []byte {
	if t.state == nil {
		return []byte(protocol.EmptyObject)
	}
	return t.state.AppendState(nil)
}

// flush tells the members what changed since the last time.
func (t *topic) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.touched = false
	if t.state == nil {
		return
	}
	diff := t.state.Flush()
	if diff.Empty() {
		return
	}
	frames := map[protocol.Version]*protocol.Frame{}
	for c := range t.members {
		if c.member.watches && c.member.entered {
			c.session.out.Push(t.diffFrame(frames, c.session.identity.Version, diff))
		}
	}
}

func (t *topic) diffFrame(frames map[protocol.Version]*protocol.Frame, v protocol.Version, diff presence.Diff) *protocol.Frame {
	f := frames[v]
	if f == nil {
		f = v.Push("", "", t.key.name, protocol.EventPresenceDiff, diff.AppendTo(nil))
		frames[v] = f
	}
	return f
}

// beat flushes the presence of topics: at once when all is quiet, and with a
// pause that grows with the topic under a storm, so that a thousand joins are
// some dozens of diffs. It also applies payloads held back for their rate.
type beat struct {
	mu                 sync.Mutex
	refs               *presence.RefSource
	touched            []*topic
	held               map[*channel]struct{}
	haunted            map[*topic]struct{} // those with ghosts
	ghosts, ghostBytes int
	wake               chan struct{}
}

const (
	beatPause     = 5 * time.Millisecond
	beatPerMember = 20 * time.Microsecond
)

func newBeat(seed [12]byte) *beat {
	return &beat{refs: presence.NewRefSource(seed), held: map[*channel]struct{}{}, haunted: map[*topic]struct{}{}, wake: make(chan struct{}, 1)}
}

func (b *beat) ref() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refs.Next()
}

func (b *beat) touch(t *topic) {
	b.mu.Lock()
	b.touched = append(b.touched, t)
	b.mu.Unlock()
	b.rouse()
}

func (b *beat) hold(c *channel) {
	b.mu.Lock()
	b.held[c] = struct{}{}
	b.mu.Unlock()
	b.rouse()
}

func (b *beat) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run flushes until ctx is done.
func (b *beat) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		pause := b.flush()
		next := min(b.release(now()), b.expel(now()))
		if pause > 0 {
			if !sleep(ctx, timer, pause) {
				return nil
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		case <-timer.C:
		}
	}
}

// flush flushes what was touched and returns how long to leave it alone, 0 if
// there was nothing.
func (b *beat) flush() (pause time.Duration) {
	b.mu.Lock()
	touched := b.touched
	b.touched = nil
	b.mu.Unlock()
	most := 0
	for _, t := range touched {
		t.flush()
		most = max(most, t.size())
	}
	if len(touched) == 0 {
		return 0
	}
	return beatPause + time.Duration(most)*beatPerMember
}

// release tracks the held payloads whose time has come and returns how long
// the next one has.
func (b *beat) release(now time.Time) time.Duration {
	b.mu.Lock()
	held := make([]*channel, 0, len(b.held))
	for c := range b.held {
		held = append(held, c)
	}
	b.mu.Unlock()
	next := time.Hour
	for _, c := range held {
		due, holding := c.topic.release(c, now)
		if !holding {
			b.mu.Lock()
			delete(b.held, c)
			b.mu.Unlock()
			continue
		}
		next = min(next, due.Sub(now))
	}
	return max(next, time.Millisecond)
}

// release tracks the channel's held payload if its time has come; otherwise it
// says when.
func (t *topic) release(c *channel, now time.Time) (due time.Time, holding bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if payload, ok := c.member.pace.Take(now); ok {
		t.track(c, payload)
	}
	return c.member.pace.Due()
}

func (t *topic) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.members)
}

// sleep waits, unless ctx is done.
func sleep(ctx context.Context, timer *time.Timer, d time.Duration) bool {
	timer.Reset(d)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
