package server

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// abuses are things that clients do wrong, each on a session of its own.
var abuses = map[string]func(c *client){
	"garbage": func(c *client) {
		for range 1000 {
			junk := make([]byte, rand.IntN(200))
			for i := range junk {
				junk[i] = byte(rand.Uint32())
			}
			c.throw(websocket.BinaryMessage, junk)
			c.throw(websocket.TextMessage, junk)
		}
	},
	"deep JSON": func(c *client) {
		deep := strings.Repeat("[", 1_000_000)
		c.throw(websocket.TextMessage, []byte(deep))
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deep","phx_join",`+deep))
		closed := deep + strings.Repeat("]", 1_000_000)
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deep","phx_join",`+closed+`]`))
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deep","phx_join",{"config":{"postgres_changes":`+closed+`}}]`))
		c.throw(websocket.TextMessage, []byte(`[`+closed+`,`+closed+`,"realtime:deep","phx_join",{}]`))
	},
	"giant refs": func(c *client) {
		giant := strings.Repeat("r", 2_000_000)
		for range 5 {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%s","%s","realtime:giant","phx_join",{}]`, giant, giant))
		}
	},
	"ten thousand joins": func(c *client) {
		for i := range 10_000 {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%d","%d","realtime:j%d","phx_join",{"config":{}}]`, i, i, i))
		}
	},
	"ten thousand joins of one topic": func(c *client) {
		for i := range 10_000 {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%d","%d","realtime:same","phx_join",{"config":{}}]`, i, i))
		}
	},
	"a giant frame": func(c *client) {
		c.throw(websocket.TextMessage, make([]byte, 5_000_001))
	},
	"half a frame": func(c *client) {
		c.conn.NetConn().Write([]byte("\x81\xfe\x10"))
	},
	"a frame that dribbles": func(c *client) {
		c.conn.NetConn().Write([]byte("\x81\xfe\x0f\xa0mask"))
		for range 40 {
			if _, err := c.conn.NetConn().Write([]byte("x")); err != nil {
				return
			}
			<-time.After(10 * time.Millisecond)
		}
	},
	"a message in endless fragments": func(c *client) {
		fragment := append([]byte("\x01\xfe\xff\xffmask"), bytes.Repeat([]byte("x"), 0xffff)...)
		for range 100 {
			c.conn.NetConn().SetWriteDeadline(time.Now().Add(2 * time.Second))
			if _, err := c.conn.NetConn().Write(fragment); err != nil {
				return
			}
			fragment[0] = 0 // a continuation
		}
	},
	"pings without end": func(c *client) {
		for range 5000 {
			c.throw(websocket.PingMessage, []byte("are you there?"))
		}
	},
	"HTTP bodies": func(c *client) {
		for _, body := range []string{
			"", "\x00\xff", "[", strings.Repeat("[", 1_000_000), `{"messages":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}`,
			`{"messages":[` + strings.Repeat(`{"topic":"realtime","event":"e","payload":{}},`, 20_000) + `1]}`,
			strings.Repeat("x", 8_000_001),
		} {
			c.post(body)
		}
	},
	"reads a little": func(c *client) {
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:lazy","phx_join",{"config":{"broadcast":{"self":true}}}]`))
		echo := []byte(`["1","2","realtime:lazy","broadcast",{"type":"broadcast","event":"e","payload":{"pad":"` + strings.Repeat("x", 100_000) + `"}}]`)
		one := make([]byte, 1)
		for range 100 {
			c.throw(websocket.TextMessage, echo)
			c.conn.NetConn().SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.conn.NetConn().Read(one); err != nil {
				return
			}
		}
	},
	"never reads": func(c *client) {
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deaf","phx_join",{"config":{"broadcast":{"self":true},"postgres_changes":[{"event":"*","schema":"public","table":"messages"}]}}]`))
		echo := []byte(`["1","2","realtime:deaf","broadcast",{"type":"broadcast","event":"e","payload":{"pad":"` + strings.Repeat("x", 500_000) + `"}}]`)
		for range 40 {
			c.throw(websocket.TextMessage, echo)
		}
	},
	"bad joins": func(c *client) {
		for i, payload := range []string{
			`null`, `[]`, `"x"`, `{"config":7}`, `{"config":{"private":"maybe"}}`, `{"access_token":"x"}`,
			`{"config":{"postgres_changes":[null,7,{},{"event":"*","schema":"public","table":"messages","filter":"id=eq.'; drop table messages"}]}}`,
			`{"config":{"postgres_changes":[` + strings.Repeat(`{"event":"*","schema":"public","table":"messages"},`, 2000) + `{}]}}`,
		} {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%d","%d","realtime:bad%d","phx_join",%s]`, i, i, i, payload))
		}
	},
}

// throw sends and does not care: the server may have closed by then.
func (c *client) throw(kind int, data []byte) {
	c.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	c.conn.WriteMessage(kind, data)
}

// post sends a body to be broadcast, and does not care for the answer.
func (c *client) post(body string) {
	r, err := http.NewRequest(http.MethodPost, "http://"+c.conn.RemoteAddr().String()+"/api/broadcast", strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return
	}
	r.Header.Set("Apikey", token(c.t))
	r.Header.Set("Content-Type", "application/json")
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return // cut off while it was sending
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	if answer.StatusCode < 400 || answer.StatusCode > 499 {
		c.t.Errorf("POST of %.20q and so on, %d bytes = %d; want 4xx", body, len(body), answer.StatusCode)
	}
}
