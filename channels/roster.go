package channels

import (
	"maps"
	"slices"
	"sync"

	"walcast/protocol"
)

// roster has all sessions and channels, so that they can be ended over HTTP.
type roster struct {
	mu       sync.Mutex
	sessions map[*Session]struct{}
	channels map[*channel]struct{}
}

func newRoster() *roster {
	return &roster{sessions: map[*Session]struct{}{}, channels: map[*channel]struct{}{}}
}

func (r *roster) opened(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[s] = struct{}{}
}

func (r *roster) closed(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
}

func (r *roster) joined(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !c.ended.Load() { // a channel that has ended is not added: nobody would take it out
		r.channels[c] = struct{}{}
	}
}

func (r *roster) left(c *channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.channels, c)
}

// present returns all sessions and channels.
func (r *roster) present() (sessions []*Session, channels []*channel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.sessions)), slices.Collect(maps.Keys(r.channels))
}

// Selection says which sessions or channels are meant: those that fit every
// field that is set.
type Selection struct {
	Sub     string     // sub claim of the channel's token, or of the connection's
	Topic   string     // sub-topic, without "realtime:"
	Private *bool      // whether the topic is private; nil means both
	Session *SessionID // nil for any
}

// fits reports whether a channel is meant.
func (sel Selection) fits(c *channel) bool {
	return sel.fitsSession(c.session) && (sel.Topic == "" || c.access.topic.Name == sel.Topic) &&
		(sel.Private == nil || c.access.private == *sel.Private) &&
		(sel.Sub == "" || c.access.named() == sel.Sub || c.session.named() == sel.Sub)
}

// fitsSession reports whether a session has the id that is meant, if there is
// one.
func (sel Selection) fitsSession(s *Session) bool {
	return sel.Session == nil || s.identity.Session == *sel.Session
}

// fitsIdle reports whether a session is meant even if it has no channels.
func (sel Selection) fitsIdle(s *Session) bool {
	return sel.fitsSession(s) && sel.Topic == "" && sel.Private == nil && (sel.Sub == "" || s.named() == sel.Sub)
}

// The values of the what label of walcast_channels_ended_total.
const (
	endedSessions = "session"
	endedChannels = "channel"
)

// Unsubscribe ends the channels that are meant, for good, and returns their
// number. Their clients may join again, as new ones.
func (h *Hub) Unsubscribe(sel Selection) (ended int) {
	_, channels := h.roster.present()
	for _, c := range channels {
		if sel.fits(c) && !c.ended.Load() {
			c.revoke(protocol.MessageUnsubscribed, true)
			ended++
		}
	}
	h.metrics.ended.WithLabelValues(endedChannels).Add(float64(ended))
	return ended
}

// Disconnect ends the sessions that are meant, or have a channel that is, and
// returns their number. Their channels are ended first, so that a client which
// connects again by itself, as supabase-js does whatever the close code, has
// nothing to join.
func (h *Hub) Disconnect(sel Selection) (ended int) {
	sessions, channels := h.roster.present()
	meant := map[*Session]struct{}{}
	for _, s := range sessions {
		if sel.fitsIdle(s) {
			meant[s] = struct{}{}
		}
	}
	for _, c := range channels {
		if sel.fits(c) {
			meant[c.session] = struct{}{}
		}
	}
	for _, c := range channels {
		if _, ends := meant[c.session]; ends {
			c.revoke(protocol.MessageDisconnected, true)
		}
	}
	for s := range meant {
		s.out.Close(protocol.CloseNormal, protocol.MessageDisconnected)
	}
	h.metrics.ended.WithLabelValues(endedSessions).Add(float64(len(meant)))
	return len(meant)
}
