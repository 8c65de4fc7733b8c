package replication

import (
	"context"
	"errors"
	"sync"
	"time"

	"walcast/replication/wal"
)

// Role is what a process does with the slot.
type Role string

// The roles, as /readyz tells them.
const (
	RoleReader   Role = "reader"   // it reads the slot, or is to
	RoleFollower Role = "follower" // another node of its cluster has the slot, and sends it what it reads
	RoleStandby  Role = "standby"  // another process has the slot, and it waits to take over
)

// Status is what /readyz reports.
type Status struct {
	Role       Role      `json:"role"`
	Streaming  bool      `json:"streaming"`
	Received   wal.LSN   `json:"-"`               // everything that commits before it has come
	Confirmed  wal.LSN   `json:"-"`               // where a restarted server would go on
	LagBytes   int64     `json:"lag_bytes"`       // WAL written by Postgres and not yet received
	LagSeconds float64   `json:"lag_seconds"`     // age of the oldest commit not yet received, 0 when caught up
	Since      time.Time `json:"since"`           // start of the present state
	Cause      string    `json:"cause,omitempty"` // why it does not stream: a label of walcast_replication_reconnects_total
	Error      string    `json:"error,omitempty"` // the same in a sentence, with addresses and names of the database
	Host       string    `json:"-"`               // host and port that is streamed from, or was last; database-url may name several
	// Heard is when Postgres was last heard of, zero while it streams and answers. It
	// may be silent for some seconds before that is known.
	Heard time.Time `json:"-"`
	// PublicationMissing says that a publication is missing without which nothing
	// comes, whether or not that has stopped the stream already.
	PublicationMissing bool `json:"-"`
	// Holder says of a standby who has the slot, as "is read by process 12"; "" for a
	// reader.
	Holder string `json:"-"`
}

// PublicationsDiffer reports whether nothing comes as the publications have different
// columns of one table.
func (s Status) PublicationsDiffer() bool { return s.Cause == causeLists }

// FilterRaises reports whether nothing comes as a row filter of a publication raises for a row.
func (s Status) FilterRaises() bool { return s.Cause == causeFilter }

// progress is how far the reader has come, as Status and the metrics tell it. All
// methods may be called at once.
type progress struct {
	mu        sync.Mutex
	streaming bool
	since     time.Time
	confirmed wal.LSN
	host      string
	fault     *fault // why it does not stream, or what will stop it; nil if all is well
	silence   silence
	lag       lag
	retention retention
	timeline  int32 // that a stream was seen on, 0 if none was
	standby   bool  // it was one that is or was streamed from
	// holder says who has the slot while this process stands by; "" if it does not
	holder    string
	following following
}

// Status is safe to call at any time.
func (r *Reader) Status() Status { return r.progress.status(time.Now()) }

func (p *progress) status(now time.Time) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{
		Role: RoleReader, Holder: p.holder, Streaming: p.streaming, Received: p.lag.received, Confirmed: p.confirmed,
		LagBytes: p.lag.bytes(), LagSeconds: p.lag.age(now).Seconds(),
		Since: p.since, Host: p.host, Heard: p.heard(),
	}
	switch {
	case p.following.isKnown():
		s.Role, s.Streaming, s.LagSeconds = RoleFollower, p.following.serves, p.following.lag(now).Seconds()
	case p.holder != "":
		s.Role = RoleStandby
	}
	if p.fault != nil {
		s.Cause = p.fault.cause
		s.Error, s.PublicationMissing = p.fault.Error(), p.fault.cause == causePublication && !p.fault.others
	}
	return s
}

// heard is Status.Heard. p.mu must be held.
func (p *progress) heard() time.Time {
	switch {
	case p.following.serves:
		return time.Time{}
	case !p.streaming && p.silence.since.IsZero():
		return p.since
	case !p.streaming, p.silence.away:
		return p.silence.since
	}
	return time.Time{}
}

// fellSilent takes in whether the stream is silent.
func (p *progress) fellSilent(s silence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silence = s
}

// started begins the state of streaming, over a connection to host.
func (p *progress) started(at start, host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host = host
	p.streaming, p.since, p.fault, p.silence = true, time.Now(), nil, silence{}
	p.confirmed = at.confirmed
	p.lag = lag{received: max(at.from, p.lag.received), end: p.lag.end, samples: p.lag.samples}
}

// stopped begins the state of not streaming, or tells why it goes on.
func (p *progress) stopped(why *fault, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streaming {
		p.since = now
	}
	p.streaming, p.fault = false, why
}

// standBy notes that this process stands by, and who has the slot.
func (p *progress) standBy(holder string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holder == "" {
		p.since = time.Now()
	}
	p.holder, p.fault = holder, nil
}

// takenOver reports whether it goes on no more as another walcast reads the slot.
func (p *progress) takenOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault != nil && errors.Is(p.fault, ErrTakenOver)
}

// publications tells what is wrong with the publications that are read, nil for
// nothing. It reports whether that is news.
func (p *progress) publications(wrong *fault) (news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	news = wrong != nil && (p.fault == nil || p.fault.Error() != wrong.Error())
	p.fault = wrong
	return news
}

func (p *progress) read(position wal.LSN, commit time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag.read(position, commit)
	if !commit.IsZero() {
		p.retention.read(position, commit)
	}
}

func (p *progress) confirm(position wal.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.confirmed = position
}

// sampled takes in what the server says of its WAL; see retention.sampled.
// Before reading has begun there is no lag.
func (p *progress) sampled(s slotSample, at time.Time) (before, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lag.received != 0 {
		p.lag.sampled(s.end, at)
	}
	p.timeline = max(p.timeline, s.timeline)
	return p.retention.sampled(s, at)
}

// begin forgets what belongs to another history.
func (p *progress) begin(start wal.LSN) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag, p.timeline = lag{received: start}, 0
}

func (p *progress) received() wal.LSN {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lag.received
}

// retained is a copy of what is known of the WAL that is retained for the slot.
func (p *progress) retained() retention {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retention
}

// seenTimeline is the timeline that a stream was seen on last, 0 if none was. A
// standby that is promoted goes on streaming, on a new one.
func (p *progress) seenTimeline() int32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.timeline
}

// connected notes that the slot is held, and whether the server that is streamed from
// is a standby of Postgres.
func (p *progress) connected(standby bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.standby, p.holder, p.following = standby, "", following{}
}

// mayWrite reports whether the server takes logical messages: it is no standby, or
// was promoted since.
func (p *progress) mayWrite() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.standby || p.timeline != 0
}

// SlotIsTaken reports whether another walcast reads the slot at present, or has ended
// Run with ErrTakenOver. Without an answer of Postgres it is not known, and false.
func (r *Reader) SlotIsTaken(ctx context.Context) bool {
	if r.progress.takenOver() {
		return true
	}
	slot, err := findSlot(ctx, r.control.pool, r.config.Slot)
	if err != nil {
		return false
	}
	reader := r.slot.succession.otherReader(slot)
	return reader != nil && !reader.isEnding && reader.isWalcast()
}
