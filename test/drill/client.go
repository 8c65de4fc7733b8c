package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"walcast/replication/wal"
	"walcast/test/program"
)

// kind is how a client comes back.
type kind string

const (
	names      kind = "socket, names its position" // resume.from
	remembered kind = "socket, client_id"
	newcomer   kind = "socket, always new" // live from each join on
	streams    kind = "event stream"       // Last-Event-ID
	stock      kind = "supabase-js, client_id"
	module     kind = "supabase-js, resumable" // clients/js
)

// names reports whether it says where it was when it comes back.
func (k kind) names() bool { return k == names || k == streams || k == module }

// kinds are all of them; those without a visit live in Node.
var kinds = []struct {
	kind  kind
	visit func(address string) func(context.Context, *client) error
}{
	{names, socketVisit},
	{remembered, socketVisit},
	{newcomer, socketVisit},
	{streams, streamVisit},
	{stock, nil},
	{module, nil},
}

// client is one that follows the rows that it wants.
type client struct {
	name   string
	kind   kind
	want   interest
	token  string
	diary  *diary
	random *rand.Rand
	nap    time.Duration // the longest that it stays away, now and then

	last        wal.Position // newest position seen, or told at the join
	lastEventID string       // of an event stream
}

// follow connects again and again until ctx is done.
func (c *client) follow(ctx context.Context, visit func(context.Context, *client) error) {
	for ctx.Err() == nil {
		err := visit(ctx, c)
		c.diary.note(entry{Kind: closed, Text: fmt.Sprint(err)})
		away := time.Duration(c.random.Int64N(int64(400 * time.Millisecond)))
		if c.random.IntN(25) == 0 {
			away = time.Duration(c.random.Int64N(int64(c.nap)))
		}
		program.Wait(ctx, away)
	}
}

// rowPayload is the payload of a row change.
type rowPayload struct {
	Data struct {
		LSN    string
		Seq    uint32
		Record struct{ Writer, Number int }
		Errors []string
	}
}

// row notes a row.
func (c *client) row(payload []byte) error {
	var p rowPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	at, err := wal.ParsePosition(fmt.Sprintf("%s:%d", p.Data.LSN, p.Data.Seq))
	if err != nil {
		return err
	}
	if at.Compare(c.last) > 0 {
		c.last = at
	}
	c.diary.note(entry{Kind: seen, Row: row{p.Data.Record.Writer, p.Data.Record.Number}, At: at, Text: strings.Join(p.Data.Errors, "; ")})
	return nil
}

// systemPayload is the payload of a system event.
type systemPayload struct {
	Status, Message, Code  string
	From, Oldest, Position *string
}

// system notes a resync, and what else went wrong.
func (c *client) system(payload []byte) error {
	var p systemPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("read system event: %w", err)
	}
	if !strings.HasPrefix(p.Message, "resync_required") {
		if p.Status == "error" || p.Code == "database_away" {
			c.diary.note(entry{Kind: told, Text: p.Message})
		}
		return nil
	}
	n, err := p.notice()
	if err != nil {
		return err
	}
	if n.Upto.Compare(c.last) > 0 {
		c.last = n.Upto
	}
	c.diary.note(entry{Kind: resync, Resync: n, Text: p.Message})
	return nil
}

func (p systemPayload) notice() (n notice, err error) {
	n.Code = p.Code
	for _, f := range []struct {
		text *string
		into *wal.Position
	}{{p.From, &n.From}, {p.Oldest, &n.Oldest}, {p.Position, &n.Upto}} {
		if f.text == nil || *f.text == "" {
			continue
		}
		if *f.into, err = wal.ParsePosition(*f.text); err != nil {
			return n, fmt.Errorf("read resync: %w", err)
		}
	}
	return n, nil
}
