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

// timelineEnd asks where a timeline ended that is an ancestor of newest.
func timelineEnd(ctx context.Context, conn *pgconn.PgConn, newest, timeline int32) (wal.LSN, error) {
	r, err := pglogrepl.TimelineHistory(ctx, conn, newest)
	if err != nil {
		return 0, fmt.Errorf("read history of timeline %d: %w", newest, err)
	}
	end, err := parseTimelineEnd(r.Content, timeline)
	if err != nil {
		return 0, fmt.Errorf("read history of timeline %d: %w", newest, err)
	}
	return end, nil
}

// parseTimelineEnd reads lines of timeline, tab, LSN of the switch, tab, reason.
// A timeline that is not listed is no ancestor: nothing of it is left, and its
// end is 0.
func parseTimelineEnd(content []byte, timeline int32) (wal.LSN, error) {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil {
			return 0, fmt.Errorf("line %q: want a timeline first", lines.Text())
		}
		if int32(n) == timeline {
			return wal.ParseLSN(fields[1])
		}
	}
	return 0, lines.Err()
}
