package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
)

// rooms are private topics that members may read and write. Only what members reads
// is told by the log.
const rooms = `
	create table members (room text, usr uuid, primary key (room, usr));
	create table guests (room text, usr uuid, primary key (room, usr));
	grant select on members, guests to authenticated;
	create policy reading on realtime.messages for select to authenticated using (
		topic in (select room from public.members where usr = auth.uid()) or topic in (select room from public.guests where usr = auth.uid()));
	create policy writing on realtime.messages for insert to authenticated with check (
		topic in (select room from public.members where usr = auth.uid()));
	create publication supabase_realtime for table members`

// roomsDatabase is a database with rooms.
func roomsDatabase(t *testing.T) *devdb.DB {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	migrate(t, db)
	db.Exec(rooms)
	return db
}

// seldom is a read-check that no test waits for.
const seldom = 30 * time.Second

func roomsConfig(db *devdb.DB, check time.Duration) Config {
	c := configFor(db)
	c.Channels.ReadCheck = check
	return c
}

func userID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func userToken(t testing.TB, role, sub string) string {
	t.Helper()
	claims := jwt.MapClaims{"role": role, "exp": time.Now().Add(time.Hour).Unix()}
	if sub != "" {
		claims["sub"] = sub
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// user connects as a user, by a client_id if it is not "".
func (s *running) user(t *testing.T, role, sub, clientID string) *client {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr()+"/socket/websocket?vsn=1.0.0&client_id="+clientID+"&apikey="+userToken(t, role, sub), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, vsn: "1.0.0"}
}

// enter joins the private room and reports whether it may.
func (c *client) enter(config string) bool {
	c.t.Helper()
	c.send("1", "realtime:room", "phx_join", `{"config":{"private":true`+config+`}}`)
	return strings.Contains(string(c.next("phx_reply").Payload), `"status":"ok"`)
}

func (c *client) mustEnter(config string) {
	c.t.Helper()
	if !c.enter(config) {
		c.t.Fatal("the room cannot be joined")
	}
}

// says broadcasts to the room.
func (c *client) says(text string) {
	c.t.Helper()
	c.send("9", "realtime:room", "broadcast", fmt.Sprintf(`{"type":"broadcast","event":"e","payload":{"text":%q}}`, text))
}

// hears waits for the next broadcast.
func (c *client) hears() string {
	c.t.Helper()
	var b struct{ Payload struct{ Text string } }
	if err := json.Unmarshal(c.next("broadcast").Payload, &b); err != nil {
		c.t.Fatal(err)
	}
	return b.Payload.Text
}

// wantEnded wants the room to end for good.
func (c *client) wantEnded() {
	c.t.Helper()
	if m := c.next("system"); !strings.Contains(string(m.Payload), "You no longer have permission to read from this Channel topic: room") {
		c.t.Errorf("told %s; want that it may read no longer", m.Payload)
	}
	c.next("phx_close")
}

func TestWhoMayReadNoMoreIsOutAtOnceWhatEverTookTheRight(t *testing.T) {
	for name, sql := range map[string]string{
		"a row of a published table":  `delete from members`,
		"truncate":                    `truncate members`,
		"the policy":                  `alter policy reading on realtime.messages using (false)`,
		"the policy is gone":          `drop policy reading on realtime.messages`,
		"the policy of what it reads": `alter table members enable row level security`,
		"the grant of what it reads":  `revoke select on members from authenticated`,
		"the grant":                   `revoke select on realtime.messages from authenticated`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := roomsDatabase(t)
			db.Exec(`insert into members values ('room', $1)`, userID(1))
			c := startServer(t, roomsConfig(db, seldom)).user(t, "authenticated", userID(1), "")
			c.mustEnter("")
			began := time.Now()
			db.Exec(sql)
			if strings.Contains(name, "grant") { // a right that cannot be asked for is none
				c.next("system")
			} else {
				c.wantEnded()
			}
			if took := time.Since(began); took > seldom/2 {
				t.Errorf("it took %s", took)
			}
			if c.enter("") {
				t.Error("the room can be joined again")
			}
		})
	}
}

func TestWhoMayReadNoMoreIsOutWithinReadCheck(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into guests values ('room', $1), ('room', $2)`, userID(1), userID(2))
	s := startServer(t, roomsConfig(db, 300*time.Millisecond))
	out, stays := s.user(t, "authenticated", userID(1), ""), s.user(t, "authenticated", userID(2), "")
	out.mustEnter("")
	stays.mustEnter("")
	db.Exec(`delete from guests where usr = $1`, userID(1)) // which nothing tells
	out.wantEnded()
	talker := s.user(t, "service_role", "", "")
	talker.mustEnter("")
	talker.says("later")
	if got := stays.hears(); got != "later" {
		t.Errorf("who stays hears %q", got)
	}
	db.Exec(`insert into guests values ('room', $1)`, userID(1))
	out.mustEnter("")
	talker.says("again")
	if got := out.hears(); got != "again" {
		t.Errorf("who is back hears %q; want what is said from then on", got)
	}
}

func TestOnlyWhatIsLostIsTakenAwayAndComesBack(t *testing.T) {
	db := roomsDatabase(t)
	reading := func(using string) { db.Exec(`alter policy reading on realtime.messages using (` + using + `)`) }
	reading("true")
	s := startServer(t, roomsConfig(db, 200*time.Millisecond))
	c, talker := s.user(t, "authenticated", userID(1), ""), s.user(t, "service_role", "", "")
	c.mustEnter(`,"presence":{"enabled":true}`)
	c.next("presence_state")
	c.send("1", "realtime:marks", "phx_join", `{"config":{}}`)
	talker.mustEnter(`,"presence":{"key":"talker"}`)
	talker.send("1", "realtime:marks", "phx_join", `{"config":{}}`)
	for _, step := range []struct {
		using, came string
	}{
		{"true", "broadcast presence_diff"},
		{"extension = 'presence'", "presence_diff"},
		{"true", "broadcast presence_diff"},
		{"extension = 'broadcast'", "broadcast"},
		{"true", "broadcast presence_diff"},
	} {
		reading(step.using)
		came := ""
		for began := time.Now(); came != step.came; {
			if time.Since(began) > patience {
				t.Fatalf("%s: %q come; want %q", step.using, came, step.came)
			}
			came = c.comes(talker)
		}
	}
}

// comes has the talker broadcast and track, and says what comes of it before a mark.
func (c *client) comes(talker *client) (came string) {
	c.t.Helper()
	talker.says("x")
	talker.send("2", "realtime:room", "presence", fmt.Sprintf(`{"type":"presence","event":"track","payload":{"at":%d}}`, time.Now().UnixNano()))
	<-time.After(100 * time.Millisecond) // diffs are sent a moment later
	talker.send("3", "realtime:marks", "broadcast", `{"type":"broadcast","event":"mark","payload":{}}`)
	found := map[string]bool{}
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		var r received
		_, text, err := c.conn.ReadMessage()
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		switch {
		case err != nil:
			c.t.Fatal(err)
		case r.Topic == "realtime:marks" && r.Event == "broadcast":
			for _, event := range []string{"broadcast", "presence_diff"} {
				if found[event] {
					came = strings.TrimSpace(came + " " + event)
				}
			}
			return came
		}
		found[r.Event] = true
	}
}

func TestTheRightToWriteIsAskedAgainWhenSomethingChanges(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members values ('room', $1)`, userID(1))
	db.Exec(`insert into guests values ('room', $1)`, userID(1))
	config := roomsConfig(db, seldom)
	config.Channels.WriteCheck = seldom
	c := startServer(t, config).user(t, "authenticated", userID(1), "")
	c.mustEnter(`,"broadcast":{"ack":true}`)
	may := func() bool {
		c.says("x")
		return strings.Contains(string(c.next("phx_reply").Payload), `"status":"ok"`)
	}
	if !may() {
		t.Fatal("a member may not write")
	}
	for _, step := range []struct {
		sql  string
		want bool
	}{
		{`delete from members`, false},
		{`insert into members values ('room', '` + userID(1) + `')`, true},
		{`alter policy writing on realtime.messages with check (false)`, false},
	} {
		db.Exec(step.sql)
		began := time.Now()
		for may() != step.want {
			if time.Since(began) > seldom/2 {
				t.Fatalf("may write is not %t within %s of %s", step.want, seldom/2, step.sql)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}

func TestWhatWasSentWhileAClientWasOutIsNotKeptForIt(t *testing.T) {
	for _, table := range []string{"members", "guests"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			db := roomsDatabase(t)
			in, out := `insert into `+table+` values ('room', $1)`, `delete from `+table+` where usr = $1`
			db.Exec(in, userID(1))
			db.Exec(in, userID(2))
			s := startServer(t, roomsConfig(db, 300*time.Millisecond))
			talker := s.user(t, "service_role", "", "")
			talker.mustEnter(`,"broadcast":{"ack":true}`)
			say := func(text string) {
				talker.says(text)
				talker.next("phx_reply")
				db.Exec(`select realtime.send(jsonb_build_object('text', 'sql ' || $1::text), 'e', 'room', true)`, text)
			}
			removed, stays := s.user(t, "authenticated", userID(1), "removed"), s.user(t, "authenticated", userID(2), "stays")
			removed.mustEnter("")
			stays.mustEnter("")
			say("before")
			for _, c := range []*client{removed, stays} {
				for range 2 {
					c.hears()
				}
				c.conn.Close() // both are away while one is removed
			}
			db.Exec(out, userID(1))
			<-time.After(time.Second) // so that it has been out for longer than read-check
			say("meanwhile")
			db.Exec(in, userID(1))

			again := s.user(t, "authenticated", userID(2), "stays")
			again.mustEnter("")
			missed := map[string]bool{}
			for !missed["meanwhile"] || !missed["sql meanwhile"] { // after what it has not confirmed
				missed[again.hears()] = true
			}
			again = s.user(t, "authenticated", userID(1), "removed")
			again.mustEnter("")
			if m := again.next("system"); !strings.Contains(string(m.Payload), "resync_required") {
				t.Errorf("told %s; want that it has to resync", m.Payload)
			}
			say("after")
			if a, b := again.hears(), again.hears(); a+", "+b != "after, sql after" {
				t.Errorf("who was out gets %q, %q; want what is said from then on", a, b)
			}
		})
	}
}

func TestPrivateChannelsGoOnForAWhileWhenPostgresIsAway(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	migrate(t, db)
	db.Exec(rooms)
	db.Exec(`insert into members values ('room', $1)`, userID(1))
	config := roomsConfig(db, 200*time.Millisecond)
	config.Channels.ReadAway = 4 * time.Second
	s := startServer(t, config)
	c, talker := s.user(t, "authenticated", userID(1), ""), s.user(t, "service_role", "", "")
	c.mustEnter("")
	talker.mustEnter(`,"broadcast":{"ack":true}`)
	<-time.After(3 * time.Second) // until the joins are not news any more, which have the right to write asked again
	talker.says("before")
	talker.next("phx_reply")
	db.StopServer()
	<-time.After(time.Second) // in which it is asked, without an answer
	talker.says("while it is away")
	if a, b := c.hears(), c.hears(); a+", "+b != "before, while it is away" {
		t.Errorf("hears %q, %q", a, b)
	}
	if m := c.next("system"); !strings.Contains(string(m.Payload), "unable to connect to the project database") {
		t.Errorf("told %s; want that the database is away", m.Payload)
	}
	c.next("phx_error")
	db.StartServer()
	for began := time.Now(); !c.enter(""); <-time.After(100 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("the room cannot be joined when the database is back")
		}
	}
}
