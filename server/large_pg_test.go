package server

import (
	"strings"
	"testing"
)

// A transaction many times the log's size is read no faster than it is matched:
// clients that are connected get all of it, and nobody has to resync.
func TestATransactionLargerThanTheLogReachesWhoIsLive(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Log.Bytes = 1 << 20
	s := startServer(t, config)
	url := "ws://" + s.Addr() + "/realtime/v1/websocket?vsn=2.0.0&apikey=" + token(t)
	conn := dialBacklog(t, url)
	sendBacklogJoin(t, conn, 0, `"filter":"channel_id=eq.7"`)
	untilBacklog(t, conn, "phx_reply")
	const rows, every = 100_000, 1000
	db.Exec("insert into messages select n, n % $2::int, repeat('x', 300) from generate_series(1, $1::int) n", rows, every)
	for n := 0; n < rows/every; {
		_, event, payload := readBacklog(t, conn)
		switch {
		case strings.HasPrefix(payload.Message, "resync_required"):
			t.Fatalf("after %d rows: %s", n, payload.Message)
		case event != "postgres_changes":
		case payload.Data.Record.ID != n*every+7:
			t.Fatalf("got row %d; want %d", payload.Data.Record.ID, n*every+7)
		default:
			n++
		}
	}
}
