package protocol

import (
	"fmt"
	"strings"
)

// Version is a serialisation of the protocol (docs/protocol.md, "Messages").
type Version uint8

// The versions.
const (
	V1         Version = iota + 1 // vsn 1.0.0: JSON objects
	V2                            // vsn 2.0.0: JSON arrays and binary frames
	SSE                           // Server-Sent Events: text, and only from the server
	UnnamedSSE                    // the same for clients that only get events without a name
)

// IsStream reports whether it is one of event streams.
func (v Version) IsStream() bool { return v == SSE || v == UnnamedSSE }

// ParseVersion reads the vsn parameter of a handshake: a full semantic version
// 1.0.x or 2.0.x without a pre-release. "" is 1.0.0, for a client that sends
// none.
func ParseVersion(vsn string) (Version, error) {
	if vsn == "" {
		return V1, nil
	}
	core, build, hasBuild := strings.Cut(vsn, "+")
	if hasBuild && !isBuild(build) {
		return 0, fmt.Errorf("parse vsn %.40q: not a semantic version", vsn)
	}
	parts := strings.Split(core, ".")
	if len(parts) != 3 || !isNumber(parts[0]) || !isNumber(parts[1]) || !isNumber(parts[2]) {
		return 0, fmt.Errorf("parse vsn %.40q: not a released semantic version", vsn)
	}
	switch {
	case parts[1] != "0":
	case parts[0] == "1":
		return V1, nil
	case parts[0] == "2":
		return V2, nil
	}
	return 0, fmt.Errorf("parse vsn %.40q: want 1.0.x or 2.0.x", vsn)
}

// String is the version as clients write it: "1.0.0" or "2.0.0"; "sse" for those
// that they do not write.
func (v Version) String() string {
	switch v {
	case V1:
		return "1.0.0"
	case V2:
		return "2.0.0"
	case SSE, UnnamedSSE:
		return "sse"
	}
	return "unknown"
}

// isNumber says whether s is a numeric identifier: digits, no leading zero.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// isBuild says whether s is what may follow the plus of a semantic version.
func isBuild(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.Trim(part, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return false
		}
	}
	return true
}
