package cluster

import (
	"log/slog"
	"sync"
	"time"
)

// newerFor is how long a message that could not be read keeps this node from being
// ready.
const newerFor = 10 * time.Second

// members is the directory of nodes, for all goroutines of the process.
type members struct {
	mu        sync.Mutex
	directory directory
	newer     error // the last message that a newer version has written, nil if none came
	newerAt   time.Time
}

// hear takes in a beat, and logs who comes and goes.
func (m *members) hear(b beat, now time.Time, logger *slog.Logger) {
	m.mu.Lock()
	c := m.directory.hear(b, now)
	m.mu.Unlock()
	c.log(logger, "said so, or came anew")
}

// expire forgets who is silent.
func (m *members) expire(now time.Time, logger *slog.Logger) {
	m.mu.Lock()
	c := m.directory.expire(now)
	m.mu.Unlock()
	c.log(logger, "silent")
}

func (c change) log(logger *slog.Logger, why string) {
	for _, n := range c.came {
		logger.Info("node of the cluster is there", "node", n.Node, "role", n.Role, "version", n.Version)
	}
	for _, n := range c.left {
		logger.Info("node of the cluster is gone", "node", n.Node, "role", n.Role, "why", why)
	}
}

func (m *members) nodes(self Node) []Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.directory.nodes(self)
}

// runs are the other processes that are there, those in a role first.
func (m *members) runs(role string, now time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.directory.runs(role, now)
}

// meetNewer notes that a newer version has written a message, and reports whether that
// is news.
func (m *members) meetNewer(err error, now time.Time) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	news = now.Sub(m.newerAt) > newerFor
	m.newer, m.newerAt = err, now
	return news
}

func (m *members) newerNow(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.newerAt) > newerFor {
		return nil
	}
	return m.newer
}
