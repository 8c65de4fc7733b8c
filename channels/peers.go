package channels

import (
	"context"
	"log/slog"
	"time"

	"walcast/channels/resume"
)

const (
	// announceEvery is how often other servers are told of clients at most.
	announceEvery = 100 * time.Millisecond
	// announceAgain is how long it takes until one that failed is tried again.
	announceAgain = 5 * time.Second
	// announceLast bounds what is announced at the end.
	announceLast = 2 * time.Second
)

// Peers is what other servers of the database are told of clients, and what they tell.
// It is safe for concurrent use.
type Peers struct {
	clients *resume.Clients
	logger  *slog.Logger
}

// Found notes that another server reads the database by a slot of its own, and
// counts as there until a time. begins says that it has just begun to read.
func (p Peers) Found(slot string, begins bool, until time.Time) {
	if p.clients.Meet(slot, begins, now(), until) {
		p.logger.Info("another walcast reads this database: each tells the other which clients with a client_id it knows", "its_slot", slot)
	}
}

// Know notes which clients another server knows. They are told to resync if
// they come here.
func (p Peers) Know(clients []uint64) {
	if p.clients.Elsewhere(clients, now()) {
		p.logger.Warn("other servers have announced more clients than are remembered: for a while all that are not known here are told to resync")
	}
}

// Announce tells other servers, by write, which clients are known here, for as long
// as there are others. It blocks until ctx is done. Sessions must be closed before
// that: clients that join later are not announced.
func (p Peers) Announce(ctx context.Context, write func(ctx context.Context, clients []uint64) error) error {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return p.announceRest(ctx, write)
		case <-p.clients.News():
		}
		wait := announceEvery
		switch _, err := p.announce(ctx, write); {
		case err == nil:
			failing = false
		case ctx.Err() == nil:
			wait = announceAgain
			if !failing {
				p.logger.Warn("other servers of the database do not learn which clients are known here, and may take them for new", "err", err, "retry_in", wait)
			}
			failing = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// announce makes the next announcement, if there is one.
func (p Peers) announce(ctx context.Context, write func(ctx context.Context, clients []uint64) error) (due bool, err error) {
	clients, due := p.clients.Announcement(now())
	if !due {
		return false, nil
	}
	if err := write(ctx, clients); err != nil {
		p.clients.AnnounceAll()
		return true, err
	}
	return true, nil
}

// announceRest announces at the end what has not been yet: clients go to the other
// servers now.
func (p Peers) announceRest(ctx context.Context, write func(ctx context.Context, clients []uint64) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceLast)
	defer cancel()
	for {
		if due, err := p.announce(ctx, write); !due || err != nil {
			return nil // what is missing was logged before, or the process ends for want of Postgres
		}
	}
}
