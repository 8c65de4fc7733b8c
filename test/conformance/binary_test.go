package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// describe writes a binary frame of the server as JSON: kind 2 (broadcast) or 4
// (user broadcast). A payload that is text stands as it is, so that what it has
// in the place of placeholders can be compared; others are in hex, and of long
// ones there is the hash. What is no such frame is in hex as a whole.
func describe(data []byte) []byte {
	whole := map[string]any{"binary_hex": hex.EncodeToString(data)}
	if len(data) == 0 || data[0] != 2 && data[0] != 4 {
		return encoded(whole)
	}
	f := map[string]any{"kind": data[0], "event": "broadcast"}
	names, at := []string{"topic", "user_event"}, 3
	if data[0] == 4 {
		names, at = append(names, "metadata"), 5
		if len(data) > 4 {
			f["encoding"] = data[4]
		}
	}
	for i, name := range names {
		if at > len(data) || at+int(data[1+i]) > len(data) {
			return encoded(whole)
		}
		f[name] = string(data[at : at+int(data[1+i])])
		at += int(data[1+i])
	}
	switch payload := data[at:]; {
	case len(payload) > longPayload:
		f["payload"] = fmt.Sprintf("%d bytes, sha256 %x", len(payload), sha256.Sum256(payload))
	case utf8.Valid(payload):
		f["payload"] = string(payload)
	default:
		f["payload"] = hex.EncodeToString(payload)
	}
	return encoded(f)
}

// longPayload is where payloads become too long to be written out.
const longPayload = 10_000

func encoded(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // maps of strings and numbers
	return bytes.TrimSpace(out.Bytes())
}

var (
	uuidInHex = regexp.MustCompile(`<hex of uuid-(\d+)>`)
	madeUp    = regexp.MustCompile(`00000000-0000-4000-9000-0*(\d+)`)
)

// described is a recorded binary frame in the form of describe, with the
// placeholders that were in its hex; other frames are as they were.
func described(frame string) string {
	var recorded struct {
		Hex *string `json:"binary_hex"`
	}
	if json.Unmarshal([]byte(frame), &recorded) != nil || recorded.Hex == nil {
		return frame
	}
	text := uuidInHex.ReplaceAllStringFunc(*recorded.Hex, func(placeholder string) string {
		n := uuidInHex.FindStringSubmatch(placeholder)[1]
		return hex.EncodeToString([]byte("00000000-0000-4000-9000-" + strings.Repeat("0", 12-len(n)) + n))
	})
	data, err := binaryInFull(text)
	if err != nil {
		return frame
	}
	return madeUp.ReplaceAllString(string(describe(data)), "<uuid-$1>")
}
