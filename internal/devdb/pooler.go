package devdb

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Pooler starts the part of a pooler that matters: it opens connections to Postgres that
// are not for replication, whatever its client asked for. It returns a URL that leads
// through it, and ends with the test, as soon as its clients have.
func (db *DB) Pooler() (url string) {
	db.t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		db.t.Fatalf("listen: %v", err)
	}
	var work sync.WaitGroup
	socket := filepath.Join(db.Server.Dir, ".s.PGSQL."+strconv.Itoa(db.Server.Port))
	work.Go(func() {
		for {
			client, err := listen.Accept()
			if err != nil {
				return
			}
			work.Go(func() { db.passWithoutReplication(client, socket) })
		}
	})
	db.t.Cleanup(func() {
		listen.Close()
		work.Wait()
	})
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", listen.Addr(), db.Name)
}

func (db *DB) passWithoutReplication(client net.Conn, socket string) {
	defer client.Close()
	asked, err := pgproto3.NewBackend(client, client).ReceiveStartupMessage()
	startup, ok := asked.(*pgproto3.StartupMessage)
	if err != nil || !ok {
		return // a request to cancel
	}
	delete(startup.Parameters, "replication")
	bytes, err := startup.Encode(nil)
	if err != nil {
		db.t.Errorf("encode startup message: %v", err)
		return
	}
	server, err := net.Dial("unix", socket)
	if err != nil {
		db.t.Errorf("connect to Postgres: %v", err)
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
