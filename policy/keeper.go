package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// keeper keeps what is known of access from one run to the next in Config.StateFile.
//
// What a file says is never taken for granted. It is compared with what the catalog
// says now, and counts for an object only if nothing differs: then nothing has changed
// since the file was written, whoever has run meanwhile and for however long, as the
// fingerprints are of catalog rows and not of what they say (see history.learn). So a file
// that is behind, as after a crash, is as good as a new one where it is still true,
// and where it is not, older rows are not judged.
type keeper struct {
	pg *postgres
	*history

	file     sync.Mutex // guards what follows; held while Postgres is asked which database this is
	restored *kept      // what the file says, as long as it is not known whether it is of this database
	started  int64      // when the server was started that was asked; 0 if none was
	of       origin     // this database, if Postgres tells
}

func newKeeper(pg *postgres) *keeper {
	return &keeper{pg: pg, history: newHistory(pg.config.AccessAge)}
}

// keepApart is how long after the file was written it is not written again. What has
// changed in that time is lost in a crash: older rows are not judged then.
const keepApart = time.Second

// Restore reads the state file. It must be called, if at all, before the policy is
// used. Errors are logged: without the file nothing is known of the time before.
func (k *keeper) Restore() {
	if k.pg.config.StateFile == "" {
		return
	}
	k.file.Lock()
	defer k.file.Unlock()
	read, err := readKept(k.pg.config.StateFile)
	switch {
	case err == nil:
		k.restored = read
	case !errors.Is(err, fs.ErrNotExist):
		k.pg.log.Warn("what was known of access is not read: clients that resume may have to resync", "path", k.pg.config.StateFile, "err", err)
	}
}

// Keep writes the state file when something has changed that belongs there, and at
// the end, until ctx is done. Without a file it does nothing, nor while writes is false:
// then another process that shares the file reads the WAL.
func (k *keeper) Keep(ctx context.Context, writes func() bool) error {
	if k.pg.config.StateFile == "" {
		return nil
	}
	again := time.NewTicker(10 * keepApart)
	defer again.Stop()
	for written := uint64(0); ; {
		select {
		case <-ctx.Done():
		case <-k.changed:
		case <-again.C: // it may write now
		}
		if k.hasChanged(written) && writes() {
			written = k.write(written)
		}
		if ctx.Err() != nil {
			return nil
		}
		_ = sleep(ctx, keepApart) // the loop ends when ctx is done
	}
}

// write writes the state file, and returns the version that it is of then: the former one
// if it is not known which database this is, or the file could not be written.
func (k *keeper) write(former uint64) (written uint64) {
	state, version := k.state()
	if state.origin == (origin{}) {
		return former
	}
	if err := state.write(k.pg.config.StateFile, k.pg.now()); err != nil {
		k.pg.log.Warn("what is known of access is not kept: after a restart clients that resume may have to resync", "path", k.pg.config.StateFile, "err", err)
		return former
	}
	return version
}

// state is what the state file should say, and the version that it is of. Objects are of
// the database that it names, also while another one is admitted.
func (k *keeper) state() (state *kept, version uint64) {
	k.file.Lock()
	defer k.file.Unlock()
	objects, version := k.list()
	return &kept{k.of, objects}, version
}

// originSQL tells databases apart, also those that are copies of each other.
const originSQL = `select s.system_identifier::pg_catalog.text, case when pg_catalog.pg_is_in_recovery() then ''
		else pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) end, d.oid
	from pg_catalog.pg_control_system() as s, pg_catalog.pg_database as d
	where d.datname operator(pg_catalog.=) pg_catalog.current_database()`

// admit finds out which database a sight is of, once for each start of the server. It
// takes in what the file says if that is of the same, and forgets all if it is another
// one than before, or has lost transactions: ids of transactions cannot be compared
// then. An error means that Postgres could not be asked.
func (k *keeper) admit(ctx context.Context, s *sight) (forgot bool, err error) {
	k.file.Lock()
	defer k.file.Unlock()
	if k.started == s.started {
		return false, nil
	}
	of, err := k.identify(ctx)
	if err != nil {
		return false, err
	}
	if k.started != 0 && (of == origin{} || of != k.of || k.isAhead(s)) {
		k.forget()
		forgot = true
	}
	k.of, k.started = of, s.started
	switch {
	case k.restored == nil || of == origin{}:
	case k.restored.origin != of:
		k.pg.log.Warn("what was known of access is of another database, and not used", "path", k.pg.config.StateFile)
	default:
		k.adopt(k.restored.objects)
	}
	k.restored = nil
	return forgot, nil
}

// identify asks which database this is. It is the zero origin if Postgres does not tell.
func (k *keeper) identify(ctx context.Context) (of origin, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.pg.config.Timeout)
	defer cancel()
	err = k.pg.pool.QueryRow(ctx, originSQL, pgx.QueryExecModeExec).Scan(&of.System, &of.Timeline, &of.Database)
	if _, answered := postgresError(err); answered {
		k.pg.log.Warn("what is known of access is not kept over restarts: Postgres does not say which database this is", "err", err)
		return origin{}, nil
	}
	if err != nil {
		return origin{}, fmt.Errorf("identify the database: %w", err)
	}
	return of, nil
}
