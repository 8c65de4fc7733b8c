package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"walcast/test/program"
)

// randomFrames sends messages that are nearly right: of a grammar that knows what
// there is, and puts it where it does not belong.
type randomFrames struct{}

func (randomFrames) world() []string { return rowsOnWhichThePolicyRaises{}.world() }

func (randomFrames) run(ctx context.Context, a *attacker) error {
	return beside(ctx, func(ctx context.Context) error {
		random := a.chance(0)
		db, err := a.database(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
		for program.Wait(ctx, 50*time.Millisecond) {
			body := strings.ReplaceAll(text(random), nul, "")
			if _, err := db.Exec(ctx, `insert into posts (author, body) values ($1, $2)`, body, strings.Repeat(body, random.IntN(50))); err != nil {
				return err
			}
		}
		return nil
	}, func(ctx context.Context) error {
		return a.crowd(ctx, 12, func(ctx context.Context, i int) error {
			random := a.chance(i + 1)
			c := a.caller()
			c.deaf = random.IntN(10) == 0
			if random.IntN(3) == 0 {
				c.clientID = fmt.Sprintf("client%d", random.IntN(5))
			}
			return a.connected(ctx, c, func(s *socket) error {
				for n := random.IntN(300); n > 0 && program.Wait(ctx, time.Duration(random.IntN(30))*time.Millisecond); n-- {
					kind, message := message(random)
					if err := s.sendRaw(kind, message); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}

// pick is one of several.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// text is something that a string may be: one word or a few, now and then many
// times over, up to some 100 kB.
func text(r *rand.Rand) string {
	one := words(r)
	if r.IntN(60) == 0 {
		one = strings.Repeat(one, r.IntN(3000))
	}
	return one
}

// words is what no server expects, one or several behind one another. It calls
// itself and therefore repeats nothing: repetitions of repetitions have no bound.
func words(r *rand.Rand) string {
	one := pick(r, "", "a", "1", "null", "NaN", "*", "é", nul, "\u202e", `"`, `\`, ",", "(", "{}", "%_", "posts", "public", "realtime:x", attackerUser,
		"9999999999999999999999", "2020-01-01", "infinity", "'; drop table posts; --", "$1")
	if r.IntN(3) == 0 {
		one += words(r)
	}
	return one
}

// value is something that a JSON value may be.
func value(r *rand.Rand) any {
	switch r.IntN(8) {
	case 0:
		return nil
	case 1:
		return pick[any](r, 0, -1, 1e300, 1<<53+1, true, false)
	case 2:
		return []any{value(r), value(r)}
	case 3:
		return map[string]any{text(r): value(r)}
	}
	return text(r)
}

// some is a value that belongs there, mostly.
func some(r *rand.Rand, good any) any {
	if r.IntN(12) == 0 {
		return value(r)
	}
	return good
}

func message(r *rand.Rand) (kind int, content []byte) {
	if r.IntN(20) == 0 {
		noise := make([]byte, r.IntN(300))
		for i := range noise {
			noise[i] = byte(r.IntN(256))
		}
		if len(noise) > 0 {
			noise[0] = byte(r.IntN(6))
		}
		return pick(r, websocket.TextMessage, websocket.BinaryMessage), noise
	}
	topic := pick(r, "realtime:a", "realtime:b", "realtime:"+lobby+"2", "realtime:", "phoenix")
	event := pick(r, "phx_join", "phx_join", "phx_join", "phx_leave", "access_token", "broadcast", "presence", "position", "heartbeat", "postgres_changes", "x")
	var payload any
	switch event {
	case "phx_join":
		payload = map[string]any{"config": some(r, join(r)), "access_token": some(r, token(attackerUser))}
	case "access_token":
		payload = map[string]any{"access_token": some(r, token(pick(r, attackerUser, text(r))))}
	case "broadcast":
		payload = map[string]any{"type": "broadcast", "event": some(r, "e"), "payload": value(r)}
	case "presence":
		payload = map[string]any{"type": "presence", "event": pick(r, "track", "untrack", text(r)), "payload": value(r)}
	default:
		payload = value(r)
	}
	encoded, err := json.Marshal([]any{some(r, "1"), some(r, "1"), some(r, topic), event, payload})
	if err != nil {
		panic(err) // plain values
	}
	return websocket.TextMessage, encoded
}

// join is the config of a join.
func join(r *rand.Rand) map[string]any {
	var all []any
	for range r.IntN(pick(r, 2, 5, 200)) {
		all = append(all, some(r, map[string]any{
			"event": some(r, pick(r, "*", "INSERT", "DELETE")), "schema": some(r, "public"),
			"table":  some(r, pick(r, postsTable, openTable, ownTable, askedTable, "documents", "*")),
			"filter": some(r, filter(r)), "select": some(r, []string{"id", "body"}), "resume": some(r, map[string]any{"from": some(r, "0/1:0")}),
		}))
	}
	return map[string]any{
		"private": some(r, r.IntN(5) == 0), "broadcast": some(r, map[string]any{"self": some(r, true), "ack": some(r, true), "replay": some(r, map[string]any{"since": some(r, 0), "limit": some(r, 25)})}),
		"presence": some(r, map[string]any{"enabled": some(r, true), "key": value(r)}), "postgres_changes": some(r, all),
	}
}

// filter is a filter of some conditions.
func filter(r *rand.Rand) string {
	operator := pick(r, "eq", "neq", "lt", "gte", "in", "like", "ilike", "match", "imatch", "is", "isdistinct", "cs", "cd", "ov", "fts")
	literal := text(r)
	switch operator {
	case "match", "imatch":
		literal = pick(r, `^(a+)+$`, `(.+)\\1`, `((a|b){1,33}){1,30}z`, `[[:alpha:]`, `a{255}{255}`, literal)
	case "in":
		literal = "(" + literal + "," + text(r) + ")"
	}
	condition := pick(r, "id", "body", "author", "owner", "path", text(r)) + "=" + pick(r, "", "not.") + operator + "." + literal
	if r.IntN(4) == 0 {
		condition += "," + filter(r)
	}
	if r.IntN(15) == 0 {
		condition = "or=(" + condition + ")"
	}
	return condition
}
