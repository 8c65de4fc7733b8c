package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// Close codes of RFC 6455, 7.4.1, and the registry: those that walcast sends.
const (
	CloseNormal        = 1000 // nothing arrived for too long, or the client asked
	CloseProtocolError = 1002 // not WebSocket
	ClosePolicy        = 1008 // went on flooding
	CloseTooBig        = 1009 // a message above the limit
	CloseRestart       = 1012 // the server stops, or has taken over from another
	CloseTryLater      = 1013 // the client reads too slowly
)

// ReasonTakenOver goes with CloseRestart to clients that came before the server
// knew what they had.
const ReasonTakenOver = "server has taken over from another"

// Close codes of our own, for handshakes that ask to be refused by frames.
const (
	CloseToken   = 4001 // no token, or a bad one
	CloseExpired = 4002 // the token has expired
	CloseOrigin  = 4003 // the page's origin is not allowed
)

// maxControl is the longest payload of a control frame (RFC 6455, 5.5).
const maxControl = 125

// Ping builds a ping; what is beyond 125 bytes of payload is cut off.
func Ping(payload []byte) *Frame { return control(opPing, payload) }

// Pong builds the answer to a ping with that payload.
func Pong(payload []byte) *Frame { return control(opPong, payload) }

// CloseFrame builds a close frame. A reason that is too long is cut between
// characters. The codes that may not be sent (1005, "none given", 1006 and 1015)
// and those outside 1000 to 4999 give a frame without code.
func CloseFrame(code int, reason string) *Frame {
	if code < 1000 || code > 4999 || code == 1005 || code == 1006 || code == 1015 {
		return control(opClose, nil)
	}
	payload := binary.BigEndian.AppendUint16(make([]byte, 0, maxControl), uint16(code))
	for _, r := range reason {
		if len(payload)+utf8.RuneLen(r) > maxControl {
			break
		}
		payload = utf8.AppendRune(payload, r)
	}
	return control(opClose, payload)
}

func control(opcode byte, payload []byte) *Frame {
	if len(payload) > maxControl {
		payload = payload[:maxControl]
	}
	return newFrame(opcode, append(newWire(len(payload)), payload...))
}
