package protocol

import "strings"

// Topic names a topic. A public and a private topic of the same name are two
// topics.
type Topic struct {
	Name    string // with the prefix "realtime:"
	Private bool
}

// SubTopic is the name as users know it, without "realtime:".
func (t Topic) SubTopic() string { return strings.TrimPrefix(t.Name, TopicPrefix) }
