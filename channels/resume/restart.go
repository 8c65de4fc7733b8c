package resume

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// Restore reads the state that the run before has left, and changes nothing: a
// server that has the slot may still use it. So clients that come before the slot
// is held, as while Postgres is away, go on where they were. It must be called, if
// at all, before the first Take; then Open has to be called when the slot is held.
func (c *Clients) Restore(now time.Time, logger *slog.Logger) {
	c.files.mu.Lock()
	defer c.files.mu.Unlock()
	c.load(now, false, logger)
}

// load reads the state file. Errors are logged, and clients that cannot be
// recognised then are told to resync, as they are where outdated says that clients
// have come and gone since the file was written. The lock of files must be held.
func (c *Clients) load(now time.Time, outdated bool, logger *slog.Logger) {
	unsureUntil := now.Add(c.config.Memory)
	if c.config.Shared {
		unsureUntil = time.Time{} // others have been told, and vouch for that
	}
	if c.files.path == "" {
		c.adopt(state{head: stateHead{UnsureUntil: unsureUntil}}, !outdated, now)
		return
	}
	c.files.seen = c.files.look()
	unclean, firstRun := outdated || c.files.seen.marker != "", false
	read, err := c.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		firstRun = !unclean
		unclean = true
	case err != nil:
		logger.Warn("state of clients not read, they are told to resync", "path", c.files.path, "err", err)
		unclean = true
	}
	for _, s := range c.sections {
		if unclean {
			s.Clear() // what the run before has changed since it was saved is missing
		} else {
			s.Restored()
		}
	}
	if unclean {
		read.head.UnsureUntil = unsureUntil
	}
	c.adopt(read, firstRun, now)
}

// adopt takes over what was read, in place of what was known before. Clients that
// are here lose their bookmarks.
func (c *Clients) adopt(read state, firstRun bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.firstRun = firstRun
	c.records.clear()
	c.records.unsureUntil = read.head.UnsureUntil
	for _, r := range read.records {
		c.records.restore(r)
	}
	c.records.expire(now)
	c.records.bound(now)
	c.records.peers.everybody() // once there is somebody to tell
}

// Open takes the state over: the slot is held, so that no other server may use it
// any more. If another has written it since Restore, it is read again. succeeds says
// that another has had the slot since: if that one has left nothing here, be it that it
// was killed or that it keeps its state elsewhere, only it knew its clients. Clients
// that were here before may then have been taken for what they are not, and outdated is
// true: they have to join again. Only the first call does anything.
func (c *Clients) Open(now time.Time, succeeds bool, logger *slog.Logger) (outdated bool) {
	f := &c.files
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened {
		return false
	}
	f.opened = true
	changed := f.path != "" && !f.look().equals(f.seen)
	if changed || succeeds {
		outdated = f.inUse
		for _, s := range c.sections {
			s.Reset()
		}
		c.load(now, !changed, logger)
	}
	if f.path == "" {
		return outdated
	}
	if f.seen.marker != "" && !f.isOurs() {
		logger.Warn("the run before did not stop in order, clients that are not known are told to resync; if it still runs, give each server its own state-dir",
			"path", f.path, "run", f.seen.user(), "for", c.config.Memory)
	}
	if err := c.use(now); err != nil {
		logger.Warn("state of clients will not outlive this run: the state directory cannot be written", "path", f.path, "err", err)
	}
	return outdated
}

// use writes the marker, unless it is there. Where that is not possible the state
// may be older than the run before. The lock of files must be held.
func (c *Clients) use(now time.Time) error {
	f := &c.files
	f.inUse = true
	if f.isOurs() {
		return nil
	}
	err := f.mark()
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.records.unsureUntil = now.Add(c.config.Memory)
	}
	return err
}

// begin is called before a client is remembered. While the slot is not held the
// marker is written only if nobody else uses the state: then an end without Save
// is noticed, as clients would be lost with it.
func (c *Clients) begin(now time.Time) {
	f := &c.files
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inUse || f.path == "" {
		return
	}
	f.inUse = true
	if f.seen.marker == "" && f.look().equals(f.seen) {
		_ = c.use(now) // Open tries again, and says what is wrong
	}
}

// Save writes the state file and removes the marker file, if this run is the one
// that uses them. All sessions must have ended: what they receive later is not in
// the file.
func (c *Clients) Save(now time.Time, logger *slog.Logger) {
	f := &c.files
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.marked {
		return
	}
	if !f.isOurs() {
		c.yield(logger)
		return
	}
	head, saved := c.collect(now, c.slotIsNew())
	err := c.write(head, saved)
	if err == nil {
		err = os.Remove(f.marker())
	}
	if err != nil {
		logger.Error("state of clients not saved, they will be told to resync", "path", f.path, "err", err)
		return
	}
	logger.Info("state of clients saved", "path", f.path, "channels", len(saved))
}

// yield leaves the state to another run that has taken it over. The marker stays
// behind, as neither knows all clients: whoever starts next tells those that are not
// known. The lock of files must be held.
func (c *Clients) yield(logger *slog.Logger) {
	f := &c.files
	logger.Error("state of clients not saved, they will be told to resync: another server has taken the state file over; if both are meant to run, give each its own state-dir",
		"path", f.path, "other", f.look().user())
	if err := f.mark(); err != nil {
		logger.Error("state of clients could not be marked as incomplete", "path", f.path, "err", err)
	}
}

// collect returns what is to be saved.
func (c *Clients) collect(now time.Time, slotIsNew bool) (stateHead, []savedRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trustNewSlot(slotIsNew, now)
	c.records.storeAll(now)
	c.records.bound(now)
	saved := make([]savedRecord, 0, c.records.away.Len())
	for e := c.records.away.Front(); e != nil; e = e.Next() {
		saved = append(saved, e.Value.(*record).saved())
	}
	return stateHead{Format: stateFormat, UnsureUntil: c.records.unsureUntil}, saved
}
