package transcript

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Line is one thing that happened.
type Line struct {
	T     int    `json:"t"` // milliseconds since the start of the section
	Conn  string `json:"conn"`
	Dir   string `json:"dir"` // ">" to the server, "<" from it; open, close, http, sql, …
	Frame json.RawMessage
	Vsn   string `json:"-"` // of the socket
}

// special is the recorder's way to write what is not JSON in a text frame.
type special struct {
	TextRaw   *string         `json:"text_raw"`
	TextHex   *string         `json:"text_frame_hex"`
	BinaryHex *string         `json:"binary_hex"`
	Decoded   json.RawMessage `json:"decoded"`
	Elided    *string         `json:"elided"`
	Fragments []string        `json:"fragments"`
	Ping      *string         `json:"ws_ping"`
	Pong      *string         `json:"ws_pong"`
}

func (l Line) special() (s special) {
	_ = json.Unmarshal(l.Frame, &s) // an array or a scalar is a frame as it is
	return s
}

// Message is the WebSocket message as it was on the wire; not ok when the line
// is none, or was too long to be kept.
func (l Line) Message() (data []byte, binary, ok bool) {
	if l.Dir != ">" && l.Dir != "<" {
		return nil, false, false
	}
	s := l.special()
	switch {
	case s.TextRaw != nil:
		return []byte(*s.TextRaw), false, !isElided(*s.TextRaw)
	case s.TextHex != nil:
		data, ok = decodeHex(*s.TextHex)
		return data, false, ok
	case s.BinaryHex != nil:
		data, ok = decodeHex(*s.BinaryHex)
		return data, true, ok
	case s.Fragments != nil:
		return []byte(strings.Join(s.Fragments, "")), false, true
	case s.Elided != nil, s.Ping != nil, s.Pong != nil:
		return nil, false, false
	}
	return l.Frame, false, !isElided(string(l.Frame))
}

// Decoded is the recorder's reading of a binary frame, null for others.
func (l Line) Decoded() json.RawMessage { return l.special().Decoded }

func isElided(text string) bool { return strings.Contains(text, "<elided: ") }

var uuidInHex = regexp.MustCompile(`<hex of uuid-(\d+)>`)

// decodeHex puts a made-up UUID in the place of each placeholder.
func decodeHex(text string) ([]byte, bool) {
	text = uuidInHex.ReplaceAllStringFunc(text, func(placeholder string) string {
		n, _ := strconv.Atoi(uuidInHex.FindStringSubmatch(placeholder)[1])
		return hex.EncodeToString(fmt.Appendf(nil, "00000000-0000-4000-9000-%012d", n))
	})
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, false
	}
	return data, true
}
