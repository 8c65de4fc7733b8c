package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"walcast/replication/wal"
)

// streamVisit returns what a client does with one event stream. It does as an
// EventSource: the id of the last block is where it goes on.
func streamVisit(address string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		conn, err := net.DialTimeout("tcp", address, silence)
		if err != nil {
			return err
		}
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer stop()
		body, err := c.request(conn, address)
		if err != nil {
			return err
		}
		c.diary.note(entry{Kind: joined})
		return c.listen(conn, body)
	}
}

// request asks for the stream and returns its body.
func (c *client) request(conn net.Conn, address string) (*bufio.Reader, error) {
	bindings, err := json.Marshal(c.want.bindings(""))
	if err != nil {
		return nil, err
	}
	query := url.Values{"topic": {"drill"}, "bindings": {string(bindings)}}
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/realtime/v1/sse?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if c.lastEventID != "" {
		request.Header.Set("Last-Event-ID", c.lastEventID)
	}
	_ = conn.SetDeadline(time.Now().Add(silence))
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return bufio.NewReader(response.Body), nil
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	if response.StatusCode != http.StatusServiceUnavailable {
		c.diary.note(entry{Kind: refused, Text: response.Status + " " + string(text)})
	}
	return nil, fmt.Errorf("%s: %s", response.Status, text)
}

// listen takes blocks until the stream ends.
func (c *client) listen(conn net.Conn, body *bufio.Reader) error {
	var event, id, data string
	for {
		_ = conn.SetReadDeadline(time.Now().Add(silence))
		text, err := body.ReadString('\n')
		if err != nil {
			return err // what was not ended by an empty line does not count
		}
		text = strings.TrimSuffix(text, "\n")
		field, value, _ := strings.Cut(text, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event = value
		case "id":
			id = value
		case "data":
			data = value
		}
		if text != "" {
			continue
		}
		if err := c.block(event, id, data); err != nil {
			return err
		}
		event, data = "", ""
	}
}

// block notes what a block says.
func (c *client) block(event, id, data string) error {
	if id != "" {
		if _, err := wal.ParsePosition(id); err != nil {
			return errors.Join(errors.New("read id of an event"), err)
		}
		c.lastEventID = id
	}
	switch event {
	case "postgres_changes":
		return c.row([]byte(data))
	case "system":
		return c.system([]byte(data))
	}
	return nil
}
