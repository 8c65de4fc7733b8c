package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"walcast/channels"
)

// maxHeaders is how many bytes the headers of a request may have.
const maxHeaders = 32 << 10

// What handshakes leave with sessions: tokens, and headers for policies. That of an
// ordinary one is not counted.
const (
	ordinaryHandshake = 4 << 10
	largeHandshakes   = 16 << 20
)

// largeOf is how many bytes of an identity count. A large token counts twice: channels that act
// by it have its claims too.
func largeOf(id *channels.Identity) int {
	if len(id.Token)+len(id.Headers) <= ordinaryHandshake {
		return 0
	}
	return 2*len(id.Token) + len(id.Headers) - ordinaryHandshake
}

// handshakeFault says what is missing from a WebSocket handshake, in the words
// of upstream's library, or "".
func handshakeFault(h http.Header) string {
	switch {
	case !hasToken(h, "Connection", "upgrade"):
		return fmt.Sprintf("'connection' header must contain 'upgrade', got %s", listed(h, "Connection"))
	case !hasToken(h, "Upgrade", "websocket"):
		return fmt.Sprintf("'upgrade' header must contain 'websocket', got %s", listed(h, "Upgrade"))
	case h.Get("Sec-Websocket-Key") == "":
		return "'sec-websocket-key' header is absent"
	case h.Get("Sec-Websocket-Version") != "13":
		return fmt.Sprintf("'sec-websocket-version' header must equal '13', got %s", listed(h, "Sec-Websocket-Version"))
	}
	return ""
}

// hasToken looks for a word in a header that lists words.
func hasToken(h http.Header, name, word string) bool {
	for token := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(token), word) {
			return true
		}
	}
	return false
}

// listed writes the values of a header as upstream prints them.
func listed(h http.Header, name string) string {
	values := h.Values(name)
	if len(values) == 0 {
		return "[]"
	}
	encoded, _ := json.Marshal(values) // strings always encode
	return string(encoded)
}
