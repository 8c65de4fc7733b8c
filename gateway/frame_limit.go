package gateway

import (
	"bytes"
	"io"

	"github.com/gorilla/websocket"
)

// A WebSocket message above MaxFrame ends its session with CloseTooBig. Its size
// counts twice: as it comes over the connection, and as it is once inflated.

// limitFrames has conn fail with ErrReadLimit where a message is larger than limit
// on the wire.
func limitFrames(conn *websocket.Conn, limit int64) { conn.SetReadLimit(limit) }

// readFrame reads a message into b, to its end. It fails with ErrReadLimit where
// the message, inflated, is larger than limit.
func readFrame(b *bytes.Buffer, r io.Reader, limit int64) error {
	if _, err := b.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return err
	}
	if int64(b.Len()) > limit {
		return websocket.ErrReadLimit
	}
	return nil
}
