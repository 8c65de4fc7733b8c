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

// system is the cluster at the other end and where its WAL stands.
type system struct {
	id       string
	timeline int32
	end      wal.LSN
	instance string // when this run of its server began, "" is not known
}

// identify asks who is there. A pooler that swallowed replication=database
// takes the command for SQL and finds a syntax error.
func identify(ctx context.Context, conn *pgconn.PgConn) (system, error) {
	r, err := pglogrepl.IdentifySystem(ctx, conn)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42601" {
		return system{}, &fault{
			remedy: operate, cause: causeConfiguration, err: err,
			advice: "database-url leads to a pooler that does not pass the replication protocol: use the server's own host and port",
		}
	}
	if err != nil {
		return system{}, fmt.Errorf("identify system: %w", err)
	}
	return system{id: r.SystemID, timeline: r.Timeline, end: wal.LSN(r.XLogPos)}, nil
}

// lineage is the history that was read so far.
type lineage struct {
	system   string
	timeline int32
	complete wal.LSN // everything that commits before it has been read
	instance string  // of the server that it was read from last
}

// continues decides whether what the server has now continues what was read.
// It returns "" if so, else the code of the resync. ended tells where a
// timeline ended; it is asked only after a timeline switch.
func (l lineage) continues(now system, ended func(timeline int32) (wal.LSN, error)) (string, error) {
	switch {
	case l.system != now.id:
		return changelog.CodeOtherCluster, nil
	case now.timeline < l.timeline:
		return changelog.CodeDiverged, nil
	// A server that was promoted since is still one that has what it sent.
	case now.timeline == l.timeline, now.instance != "" && now.instance == l.instance:
		// Behind what it has sent: it was put back to an older state.
		if now.end < l.complete {
			return changelog.CodeDiverged, nil
		}
		return "", nil
	}
	end, err := ended(l.timeline)
	if err != nil {
		return "", err
	}
	// What was read beyond the switch existed on the lost server only, and the
	// numbers are used again for something else.
	if l.complete > end {
		return changelog.CodeDiverged, nil
	}
	return "", nil
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
// A timeline that is not listed is no ancestor: nothing of it is left.
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
