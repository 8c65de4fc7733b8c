package replication

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"walcast/internal/devdb"
)

// newPooler is the part of a pooler that matters here: it opens connections to
// Postgres that are not for replication, whatever its client asked for.
func newPooler(t *testing.T, db *devdb.DB) (url string) {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	socket := filepath.Join(db.Server.Dir, ".s.PGSQL."+strconv.Itoa(db.Server.Port))
	work.Go(func() {
		for {
			client, err := listen.Accept()
			if err != nil {
				return
			}
			work.Go(func() { passWithoutReplication(t, client, socket) })
		}
	})
	t.Cleanup(func() {
		listen.Close()
		work.Wait()
	})
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", listen.Addr(), db.Name)
}

func passWithoutReplication(t *testing.T, client net.Conn, socket string) {
	defer client.Close()
	asked, err := pgproto3.NewBackend(client, client).ReceiveStartupMessage()
	startup, ok := asked.(*pgproto3.StartupMessage)
	if err != nil || !ok {
		return // a request to cancel
	}
	delete(startup.Parameters, "replication")
	bytes, err := startup.Encode(nil)
	if err != nil {
		t.Errorf("encode startup message: %v", err)
		return
	}
	server, err := net.Dial("unix", socket)
	if err != nil {
		t.Errorf("connect to Postgres: %v", err)
		return
	}
	defer server.Close()
	if _, err := server.Write(bytes); err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(client, server)
		client.Close()
	})
	io.Copy(server, client)
	server.Close()
	back.Wait()
}

func TestAPoolerThatSwallowsReplicationIsRecognised(t *testing.T) {
	t.Parallel()
	db := orders(t)
	url := newPooler(t, db)
	err := runReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = url }).wait()
	if want := "database-url leads to a pooler that does not pass the replication protocol: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Run = %v; want %s…", err, want)
	}
}
