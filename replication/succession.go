package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrTakenOver ends Run when another walcast reads the slot that this one has read
// before: the clients are that one's from now on.
var ErrTakenOver = errors.New("another walcast has taken the slot over")

// succession decides when this process may read the slot. While another process
// reads it, or has the slot lock and is about to, this one stands by: it looks again
// and again over the control connection and changes nothing. It belongs to the
// goroutine in Run.
type succession struct {
	slot         string
	application  string // application_name of this process' replication connections
	publications publications
	control      *control
	timing       successionTiming
	limit        time.Duration // for the statements of one look
	progress     *progress
	logger       *slog.Logger
	standsBy     func() // called when standing by begins; nil tells nobody

	line     line
	vacancy  vacancy
	standing standing
}

// successionTiming is for looks at a slot that others may be reading.
type successionTiming struct {
	look       time.Duration // between two looks at the slot
	precedence time.Duration // that each process which has stood by for longer has over this one
	idle       time.Duration // without reading the slot, after which a process that has the slot lock counts as gone
	comeback   time.Duration // after an outage of Postgres, for the former reader, which has the clients
}

// vacancy is what is known of a slot that nobody reads.
type vacancy struct {
	since     time.Time // when it was first seen like that; zero while it is read
	lockPID   int32     // the server's process that has the slot lock
	lockSince time.Time // when that process was first seen
}

// standing is this process as a standby.
type standing struct {
	began   time.Time // zero while it does not stand by
	holder  string    // who reads the slot, in words
	pid     int32     // the server's process by which it is read, 0 if none does
	cut     bool      // the last look failed: Postgres was away
	patient time.Time // until when the former reader has time to come back
}

// await returns when this process may go on to read the slot. held says that it has
// read the slot before: then it does not stand by, but fails with ErrTakenOver when
// another walcast reads it. waits is called again and again while it stands by.
func (s *succession) await(ctx context.Context, server server, held bool, waits func()) error {
	for {
		free, err := s.look(ctx, server, held)
		if err != nil || free {
			s.standing.cut = err != nil
			return err
		}
		if s.stands() {
			waits()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.timing.look):
		}
	}
}

// look looks at the slot once.
func (s *succession) look(ctx context.Context, server server, held bool) (free bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	pid, err := s.readerPID(ctx)
	if err != nil {
		return false, err
	}
	if s.standing.cut && s.stands() && !held {
		s.standing.cut, s.standing.patient = false, time.Now().Add(s.timing.comeback)
		s.progress.standBy(s.standing.holder)
	}
	if pid != 0 && pid == s.standing.pid {
		return false, s.line.join(ctx)
	}
	slot, err := s.find(ctx)
	if err != nil {
		return false, err
	}
	reader := s.otherReader(slot)
	switch {
	case reader != nil && reader.isEnding: // it may be the former one of this process
		return false, nil
	case held && reader != nil && reader.isWalcast():
		return false, takenOver(s.slot, reader)
	case held:
		return true, nil
	case reader == nil:
		return s.claim(ctx)
	}
	return false, s.standBehind(ctx, slot, server)
}

// otherReader is the process that reads the slot, nil if none does but this one.
func (s *succession) otherReader(slot *Slot) *SlotHolder {
	if slot == nil || slot.Holder == nil || slot.Holder.Application == s.application {
		return nil
	}
	return slot.Holder
}

// isWalcast reports whether a process that reads our slot is a walcast. One whose name
// Postgres hides is taken for one.
func (h *SlotHolder) isWalcast() bool {
	return h.Application == "" || strings.HasPrefix(h.Application, applicationPrefix)
}

// standBehind stands by for a process that reads the slot. What could never be taken
// over is refused before standing by begins.
func (s *succession) standBehind(ctx context.Context, slot *Slot, server server) error {
	if !s.stands() {
		if err := slot.Refused(server.database); err != nil {
			return err
		}
		if err := s.compare(ctx, slot.Holder); err != nil {
			return err
		}
	}
	s.vacancy = vacancy{}
	s.standing.pid = slot.Holder.PID
	s.begin("is read by " + slot.Holder.String())
	return errors.Join(s.control.unlockSlot(ctx), s.line.join(ctx))
}

// compare refuses to stand by for a walcast that reads other publications: after a
// takeover its clients would get other changes.
func (s *succession) compare(ctx context.Context, reader *SlotHolder) error {
	command, err := s.command(ctx, reader.PID)
	if err != nil {
		return err
	}
	theirs, ok := publicationsOf(command)
	if !ok { // hidden, cut short, or not of a walcast
		return nil
	}
	sorted := func(names []string) []string {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(s.publications.optional.names, name) })
		slices.Sort(names)
		return names
	}
	if slices.Equal(sorted(theirs), sorted(s.publications.names)) {
		return nil
	}
	return &fault{remedy: operate, cause: causeConfiguration, advice: fmt.Sprintf(
		"slot %s is read by %s for publication %s, and this process is to read %s from it: set publication to the same, or set slot to another name",
		quoteIdentifier(s.slot), reader, strings.Join(sorted(theirs), ","), strings.Join(sorted(s.publications.names), ","))}
}

// claim tries to become the process that may read the slot, which nobody reads. Those
// that have stood by for longer go first, and one that has the slot lock has time to
// begin. Where it has the time and does not, it is frozen or cut off: its session is
// ended, which gives the lock back.
func (s *succession) claim(ctx context.Context) (mine bool, err error) {
	now := time.Now()
	s.standing.pid = 0
	if s.vacancy.since.IsZero() {
		s.vacancy.since = now
	}
	ahead, err := s.line.ahead(ctx)
	if err != nil {
		return false, err
	}
	if now.Before(s.standing.patient) || now.Sub(s.vacancy.since) < time.Duration(ahead)*s.timing.precedence {
		s.begin("is about to be read by another process")
		return false, s.line.join(ctx)
	}
	if mine, err = s.control.lockSlot(ctx); err != nil {
		return false, err
	}
	if !mine {
		s.begin("is about to be read by another process")
		if mine, err = s.endIdle(ctx, now); err != nil || !mine {
			return false, errors.Join(err, s.line.join(ctx))
		}
	}
	if s.stands() {
		s.logger.Info("slot is free: taking over", "waited", now.Sub(s.standing.began).Round(time.Millisecond), "before", "it "+s.standing.holder)
	}
	return true, s.line.leave(ctx)
}

// endIdle ends the session that has the slot lock, if its process has not read the
// slot for too long. It reports whether this process may do without the lock, as
// Postgres does not let it end that session.
func (s *succession) endIdle(ctx context.Context, now time.Time) (without bool, err error) {
	pid, err := s.lockHolder(ctx)
	if err != nil {
		return false, err
	}
	if pid != s.vacancy.lockPID {
		s.vacancy.lockPID, s.vacancy.lockSince = pid, now
	}
	if pid == 0 || now.Sub(s.vacancy.lockSince) < s.timing.idle {
		return false, nil
	}
	s.logger.Warn("ending the session of a process that has the slot lock and does not read the slot", "pid", pid)
	s.vacancy.lockPID = 0
	err = s.terminate(ctx, pid)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return true, nil
	}
	return false, err
}

// stands reports whether this process stands by.
func (s *succession) stands() bool { return !s.standing.began.IsZero() }

// begin begins to stand by, or goes on to. holder says in words who has the slot.
func (s *succession) begin(holder string) {
	s.standing.holder = holder
	s.progress.standBy(holder)
	if s.stands() {
		return
	}
	s.standing.began = time.Now()
	s.logger.Info("standing by: another process has the slot, this one takes over when it is gone", "slot_now", holder)
	if s.standsBy != nil {
		s.standsBy()
	}
}

// end ends standing by, as the slot is held. It returns how long the slot was free, and
// whether this process stood by at all.
func (s *succession) end() (took time.Duration, stood bool) {
	took, stood = time.Since(s.vacancy.since), s.stands()
	s.vacancy, s.standing = vacancy{}, standing{}
	return took, stood
}

// readerQuery is one look: the server's process that reads the slot. It costs less than
// to find out all about the slot.
const readerQuery = `select coalesce(active_pid, 0) from pg_replication_slots where slot_name = $1`

// readerPID is the server's process that reads the slot, 0 if none does.
func (s *succession) readerPID(ctx context.Context) (int32, error) {
	return s.ask(ctx, readerQuery, s.slot)
}

// lockHolderQuery finds the session that has the slot lock, see lockQuery.
const lockHolderQuery = `
	select l.pid
	from (select hashtextextended('walcast.slot.' || $1, 0)) k (key)
	join pg_locks l on l.classid::bigint = (k.key >> 32) & 4294967295 and l.objid::bigint = k.key & 4294967295
	where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
		and l.database = (select oid from pg_database where datname = current_database())`

// lockHolder is the server's process that has the slot lock, 0 if none has.
func (s *succession) lockHolder(ctx context.Context) (int32, error) {
	return s.ask(ctx, lockHolderQuery, s.slot)
}

// ask returns the one number that a query gives, 0 if it gives none.
func (s *succession) ask(ctx context.Context, sql string, args ...any) (n int32, err error) {
	err = s.control.use(ctx, func(db querier) error {
		rows, err := db.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&n}, func() error { return nil })
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look who has slot %q: %w", s.slot, err)
	}
	return n, nil
}

func (s *succession) find(ctx context.Context) (slot *Slot, err error) {
	err = s.control.use(ctx, func(db querier) error {
		slot, err = findSlot(ctx, db, s.slot)
		return err
	})
	return slot, err
}

// command is what the server's process was told last, "" where Postgres does not say.
func (s *succession) command(ctx context.Context, pid int32) (command string, err error) {
	err = s.control.use(ctx, func(db querier) error {
		texts, err := queryStrings(ctx, db, `select coalesce(query, '') from pg_stat_activity where pid = $1`, pid)
		command = strings.Join(texts, "")
		return err
	})
	return command, err
}

func (s *succession) terminate(ctx context.Context, pid int32) error {
	return s.control.use(ctx, func(db querier) error {
		_, err := db.Exec(ctx, `select pg_terminate_backend($1)`, pid)
		return err
	})
}

func takenOver(slot string, reader *SlotHolder) error {
	return &fault{
		remedy: operate, cause: causeSlotBusy, err: ErrTakenOver,
		advice: "slot " + quoteIdentifier(slot) + " is read by " + reader.String(),
	}
}

// publicationsOf returns the publications that a command of a walcast starts to read,
// see startCommand. It is false for what is no such command, or not the whole of it.
func publicationsOf(command string) (names []string, ok bool) {
	const before, after = "publication_names '", "', messages 'true')"
	_, list, found := strings.Cut(command, before)
	list, whole := strings.CutSuffix(list, after)
	if !found || !whole || !strings.HasPrefix(command, "START_REPLICATION ") {
		return nil, false
	}
	list = strings.ReplaceAll(list, "''", "'")
	for {
		name, rest, err := cutIdentifier(list)
		if err != nil {
			return nil, false
		}
		names = append(names, name)
		if rest == "" {
			return names, true
		}
		list = strings.TrimPrefix(rest, ",")
	}
}
