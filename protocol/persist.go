package protocol

import (
	"net/url"
	"strconv"
	"time"
)

// Persist is how long the sender of a broadcast wants it kept for replays; the
// zero value is not at all.
type Persist time.Duration

// maxPersist is how long messages are kept at most: older partitions of
// realtime.messages are dropped.
const maxPersist = 72 * time.Hour

// Persist is what the metadata of a user broadcast asks for. An error is a Refusal.
func (m Message) Persist() (Persist, error) {
	if len(m.Metadata) == 0 {
		return 0, nil
	}
	doc, _ := parse(m.Metadata) // it was checked with the frame
	for name, v := range doc.pairs() {
		if string(name) == "persist" {
			return readPersist(v)
		}
	}
	return 0, nil
}

// readPersist reads true, false, or an object that may have a "ttl" in seconds.
func readPersist(v value) (Persist, error) {
	switch v.kind() {
	case 'n', 'f':
		return 0, nil
	case 't':
		return Persist(maxPersist), nil
	case '"':
		text, _ := v.text()
		return persistFlag(text)
	case '{':
	default:
		return 0, RefusePersistTTL
	}
	var ttl value
	for name, of := range v.pairs() {
		if string(name) == "ttl" {
			ttl = of
		}
	}
	if ttl.isNull() {
		return Persist(maxPersist), nil
	}
	text, isText := ttl.text()
	if !isText {
		text = string(ttl)
	}
	return persistSeconds(text)
}

// PersistOf is what the query of an HTTP request asks for: persist=true, or
// persist[ttl]=seconds. An error is a Refusal.
func PersistOf(query url.Values) (Persist, error) {
	if ttl := query["persist[ttl]"]; len(ttl) > 0 {
		return persistSeconds(ttl[len(ttl)-1])
	}
	if flag := query["persist"]; len(flag) > 0 {
		return persistFlag(flag[len(flag)-1])
	}
	return 0, nil
}

func persistFlag(text string) (Persist, error) {
	switch text {
	case "true":
		return Persist(maxPersist), nil
	case "false":
		return 0, nil
	}
	return 0, RefusePersistTTL
}

// persistSeconds refuses what is longer than anything is kept, so that its sender
// finds out.
func persistSeconds(text string) (Persist, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 || n > int64(maxPersist/time.Second) {
		return 0, RefusePersistTTL
	}
	return Persist(time.Duration(n) * time.Second), nil
}
