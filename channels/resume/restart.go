package resume

import (
	"errors"
	"io/fs"
	"log/slog"
	"time"
)

// Restore reads the state file of the run before, and writes the marker file.
// It must be called, if at all, before the first Take. Errors are logged, and
// clients that cannot be recognised then are told to resync.
func (c *Clients) Restore(now time.Time, logger *slog.Logger) {
	path := c.config.StateFile
	unsureUntil := now.Add(c.config.Memory)
	if path == "" {
		c.adopt(state{head: stateHead{UnsureUntil: unsureUntil}}, true, now)
		return
	}
	unclean, firstRun := c.isMarked(), false
	read, err := c.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		firstRun = !unclean
		unclean = true
	case err != nil:
		logger.Warn("state of clients not read, they are told to resync", "path", path, "err", err)
		unclean = true
	}
	for _, s := range c.sections {
		if unclean {
			s.Clear() // what the run before has changed since it was saved is missing
		} else {
			s.Restored()
		}
	}
	if err := c.mark(); err != nil {
		logger.Warn("state of clients will not outlive this run: the state directory cannot be written", "path", path, "err", err)
		unclean = true
	}
	if unclean {
		read.head.UnsureUntil = unsureUntil
	}
	if unclean && !firstRun {
		logger.Warn("the run before did not stop in order, clients that are not known are told to resync", "until", unsureUntil)
	}
	c.adopt(read, firstRun, now)
}

// adopt takes over what was read.
func (c *Clients) adopt(read state, firstRun bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.firstRun = firstRun
	c.records.unsureUntil = read.head.UnsureUntil
	for _, r := range read.records {
		c.records.restore(r)
	}
	c.records.expire(now)
	c.records.bound(now)
}

// Save writes the state file and removes the marker file. All sessions must
// have ended: what they receive later is not in the file.
func (c *Clients) Save(now time.Time, logger *slog.Logger) {
	if !c.marked {
		return
	}
	path := c.config.StateFile
	head, saved := c.collect(now, c.slotIsNew())
	err := c.write(head, saved)
	if err == nil {
		err = c.unmark()
	}
	if err != nil {
		logger.Error("state of clients not saved, they will be told to resync", "path", path, "err", err)
		return
	}
	logger.Info("state of clients saved", "path", path, "channels", len(saved))
}

// collect returns what is to be saved.
func (c *Clients) collect(now time.Time, slotIsNew bool) (stateHead, []savedRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.firstRun && slotIsNew {
		c.records.unsureUntil = time.Time{}
	}
	c.records.storeAll(now)
	c.records.bound(now)
	saved := make([]savedRecord, 0, c.records.away.Len())
	for e := c.records.away.Front(); e != nil; e = e.Next() {
		saved = append(saved, e.Value.(*record).saved())
	}
	return stateHead{Format: stateFormat, UnsureUntil: c.records.unsureUntil}, saved
}
