package replication

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// system is the cluster at the other end and where its WAL ends, as
// IDENTIFY_SYSTEM tells (Postgres manual, "Streaming Replication Protocol").
type system struct {
	id       string // the system identifier, in decimal digits
	timeline int32
	end      wal.LSN // of the flushed WAL
	instance string  // when the server's present run began, "" if that is not known
}

// identify asks for the cluster's identity. A pooler that swallowed
// replication=database takes the command for SQL and finds a syntax error.
func identify(ctx context.Context, conn *pgconn.PgConn) (system, error) {
	r, err := pglogrepl.IdentifySystem(ctx, conn)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42601" {
		f := pooler()
		f.err = err
		return system{}, f
	}
	if err != nil {
		return system{}, fmt.Errorf("identify system: %w", err)
	}
	return system{id: r.SystemID, timeline: r.Timeline, end: wal.LSN(r.XLogPos)}, nil
}

// ancestorsOf asks where the timelines ended that a timeline goes on from. The first
// has none.
func ancestorsOf(ctx context.Context, conn *pgconn.PgConn, timeline int32) (ancestors []changelog.TimelineEnd, err error) {
	if timeline <= 1 {
		return nil, nil
	}
	r, err := pglogrepl.TimelineHistory(ctx, conn, timeline)
	if err == nil {
		ancestors, err = parseTimelineHistory(r.Content)
	}
	if err != nil {
		return nil, fmt.Errorf("read history of timeline %d: %w", timeline, err)
	}
	return ancestors, nil
}

// endOf is where a timeline ended. One that is no ancestor has nothing left, and its
// end is 0.
func endOf(timeline int32, ancestors []changelog.TimelineEnd) wal.LSN {
	for _, a := range ancestors {
		if a.Timeline == timeline {
			return a.End
		}
	}
	return 0
}

// parseTimelineHistory reads lines of timeline, tab, LSN of the switch, tab, reason.
func parseTimelineHistory(content []byte) (ancestors []changelog.TimelineEnd, err error) {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("line %q: want a timeline first", lines.Text())
		}
		end, err := wal.ParseLSN(fields[1])
		if err != nil {
			return nil, err
		}
		ancestors = append(ancestors, changelog.TimelineEnd{Timeline: int32(n), End: end})
	}
	return ancestors, lines.Err()
}
