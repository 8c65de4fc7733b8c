package devdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a server. The zero Options start a fresh one that is reached by
// its socket only and leaves nothing behind.
type Options struct {
	BinDir   string            // folder with postgres and initdb; "" searches, see Find
	Version  int               // major version; 0 is the newest found
	DataDir  string            // kept between runs; "" is a fresh one
	Keep     bool              // leave a fresh folder in place on Stop, to look at it
	TCP      bool              // also listen on 127.0.0.1; DSN then uses it
	Port     int               // TCP port; 0 picks a free one
	Password string            // of user postgres, asked for over TCP; "" trusts everybody
	Settings map[string]string // of postgresql.conf, over our own
	Unset    []string          // settings of ours that are left to postgresql.conf
}

// Server is a private Postgres with wal_level=logical.
type Server struct {
	Installation
	Dir  string // socket and log; the data too unless Options.DataDir
	Data string // data folder
	Port int

	options Options
	owner   owner
	lock    *os.File // held while we live: the folder is not stale

	mu   sync.Mutex
	proc *process // nil while stopped
}

// startLimit bounds one start; initdb and start take under a second.
const startLimit = 60 * time.Second

// Start runs initdb, where the data folder is new, and postgres, and returns
// when it answers. The server ends with Stop, or on Linux with this process.
func Start(ctx context.Context, o Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if o.DataDir != "" && o.Version == 0 {
		o.Version = dataVersion(o.DataDir)
	}
	in, err := Find(ctx, o.BinDir, o.Version)
	if err != nil {
		return nil, err
	}
	s := &Server{Installation: in, options: o, Port: o.Port}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	if err := s.StartAgain(ctx); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// prepare makes the folders, chooses the port and runs initdb.
func (s *Server) prepare(ctx context.Context) (err error) {
	removeStale(time.Now())
	if s.owner, err = unprivileged(); err != nil {
		return err
	}
	if s.Dir, s.lock, err = makeDir(s.owner); err != nil {
		return err
	}
	if s.Port, err = choosePort(s.options); err != nil {
		return err
	}
	s.Data = filepath.Join(s.Dir, "data")
	if s.options.DataDir != "" {
		if s.Data, err = filepath.Abs(s.options.DataDir); err != nil {
			return fmt.Errorf("find data folder: %w", err)
		}
		if err := os.MkdirAll(s.Data, 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		if err := s.owner.own(s.Data); err != nil {
			return err
		}
	}
	if dataVersion(s.Data) != 0 {
		return nil
	}
	return s.initdb(ctx)
}

func (s *Server) initdb(ctx context.Context) error {
	args := []string{"-D", s.Data, "-U", "postgres", "--auth-local=trust", "-E", "UTF8", "--no-locale", "--no-sync"}
	if s.options.Password == "" {
		args = append(args, "--auth-host=trust")
	} else {
		args = append(args, "--auth-host=scram-sha-256", "--pwfile="+filepath.Join(s.Dir, "password"))
		if err := s.writePassword(); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.BinDir, "initdb"), args...)
	s.dress(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run initdb in %s as %s: %w\n%s", s.Data, s.owner.name, err, out)
	}
	return nil
}

// writePassword leaves the password where initdb, as another user, can read it.
func (s *Server) writePassword() error {
	path := filepath.Join(s.Dir, "password")
	if err := os.WriteFile(path, []byte(s.options.Password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write password file: %w", err)
	}
	return s.owner.own(path)
}

// settings are what postgres gets on its command line, ours below the caller's.
func (s *Server) settings() map[string]string {
	all := map[string]string{
		"wal_level":               "logical",
		"max_wal_senders":         "50",
		"max_replication_slots":   "50",
		"listen_addresses":        "",
		"unix_socket_directories": s.Dir,
		"port":                    strconv.Itoa(s.Port),
		// synchronous_commit stays on: walsenders send flushed WAL only, and
		// without it each change waits for the WAL writer, 200 ms.
	}
	if s.options.TCP {
		all["listen_addresses"] = "127.0.0.1"
	}
	if s.options.DataDir == "" {
		all["fsync"] = "off" // a throwaway survives a crash of Postgres, not of the machine
		all["full_page_writes"] = "off"
	}
	maps.Copy(all, s.options.Settings)
	for _, name := range s.options.Unset {
		delete(all, name)
	}
	return all
}

// dress sets what every child needs to run as the owner, undisturbed by our
// environment (PGDATA, PGPORT …) and by the terminal's signals.
func (s *Server) dress(cmd *exec.Cmd) {
	cmd.Dir = s.Dir
	cmd.Env = []string{"HOME=" + s.Dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = s.owner.sysProcAttr()
}

// DSN is the connection string of a database, as user postgres: over TCP when
// Options.TCP, else by the socket.
func (s *Server) DSN(database string) string {
	if !s.options.TCP {
		return s.socketDSN(database)
	}
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	if s.options.Password != "" {
		u.User = url.UserPassword("postgres", s.options.Password)
	}
	return u.String()
}

func (s *Server) socketDSN(database string) string {
	q := url.Values{"host": {s.Dir}, "port": {strconv.Itoa(s.Port)}}
	return "postgres://postgres@/" + url.PathEscape(database) + "?" + q.Encode()
}

// LogPath is the file with the server's output.
func (s *Server) LogPath() string { return filepath.Join(s.Dir, "postgres.log") }

// answer waits until the server takes a query, its process ends or ctx is done.
func (s *Server) answer(ctx context.Context, p *process) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx, s.socketDSN("postgres"))
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("postgres ended (%w), its log says:\n%s", p.err, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres to answer: %w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func ping(ctx context.Context, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// setPassword gives a kept data folder the password of this run.
func (s *Server) setPassword(ctx context.Context) error {
	if s.options.Password == "" || s.options.DataDir == "" {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.socketDSN("postgres"))
	if err != nil {
		return fmt.Errorf("set password of postgres: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var statement string
	err = conn.QueryRow(ctx, `select format('alter role postgres password %L', $1::text)`, s.options.Password).Scan(&statement)
	if err == nil {
		_, err = conn.Exec(ctx, statement)
	}
	if err != nil {
		return fmt.Errorf("set password of postgres: %w", err)
	}
	return nil
}

// arguments are those of the postgres command, in a fixed order.
func (s *Server) arguments() []string {
	args := []string{"-D", s.Data}
	all := s.settings()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}
