package protocol

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The kinds of binary frames, their first byte (docs/protocol.md, "Binary
// frames").
const (
	kindPush              = 0
	kindBroadcast         = 2
	kindUserBroadcastPush = 3
	kindUserBroadcast     = 4
)

// maxHeaderField is the longest string that a binary frame's header can have:
// its length is one byte.
const maxHeaderField = 255

// decodeBinary reads a binary frame of 2.0.0: kinds 0 and 3.
func decodeBinary(data []byte) (Message, error) {
	if len(data) == 0 {
		return Message{}, errors.New("decode binary frame: empty")
	}
	switch data[0] {
	case kindPush:
		return decodePush(data[1:])
	case kindUserBroadcastPush:
		return decodeUserBroadcast(data[1:])
	}
	return Message{}, fmt.Errorf("decode binary frame: unknown kind %d", data[0])
}

func decodePush(data []byte) (Message, error) {
	head, payload, err := split(data, 4, 4)
	if err != nil {
		return Message{}, fmt.Errorf("decode binary push: %w", err)
	}
	return Message{
		JoinRef: quotedRef(head[0]), Ref: quotedRef(head[1]),
		Topic: string(head[2]), Event: string(head[3]),
		Kind: Binary, Payload: append([]byte(nil), payload...),
	}, nil
}

// decodeUserBroadcast reads kind 3. Its metadata is for the server alone: clients may
// not speak for the server.
func decodeUserBroadcast(data []byte) (Message, error) {
	head, payload, err := split(data, 6, 5)
	if err != nil {
		return Message{}, fmt.Errorf("decode user broadcast: %w", err)
	}
	if len(head[4]) > 0 {
		if _, ok := parse(head[4]); !ok {
			return Message{}, errors.New("decode user broadcast: metadata is not JSON")
		}
	}
	encoding := EncodingJSON // any value but 0
	if data[5] == 0 {
		encoding = EncodingBinary
	}
	return Message{
		JoinRef: quotedRef(head[0]), Ref: quotedRef(head[1]),
		Topic: string(head[2]), Event: EventBroadcast,
		Kind: UserBroadcast, Payload: append([]byte(nil), payload...),
		UserEvent: string(head[3]), Encoding: encoding, Metadata: append([]byte(nil), head[4]...),
	}, nil
}

// split cuts the strings whose lengths are the first lengths of size header
// bytes, and the payload after them.
func split(data []byte, size, lengths int) (head [5][]byte, payload []byte, err error) {
	if len(data) < size {
		return head, nil, errors.New("header is cut off")
	}
	rest := data[size:]
	for i := range lengths {
		n := int(data[i])
		if len(rest) < n {
			return head, nil, errors.New("shorter than its header says")
		}
		if !utf8.Valid(rest[:n]) {
			return head, nil, errors.New("header is not UTF-8")
		}
		head[i], rest = rest[:n], rest[n:]
	}
	return head, rest, nil
}

// quotedRef is a reference of a binary frame, where all are strings.
func quotedRef(s []byte) Ref { return Ref(appendQuoted(nil, s)) }

// userBroadcast builds kind 4; the caller has checked the lengths.
func userBroadcast(topic string, b Broadcast) *Frame {
	buf := newWire(5 + len(topic) + len(b.Event) + len(b.Meta) + len(b.Payload))
	buf = append(buf, kindUserBroadcast, byte(len(topic)), byte(len(b.Event)), byte(len(b.Meta)), byte(b.Encoding))
	buf = append(buf, topic...)
	buf = append(buf, b.Event...)
	buf = append(buf, b.Meta...)
	return newFrame(opBinary, append(buf, b.Payload...))
}

// opaqueBroadcast builds kind 2; the caller has checked the lengths.
func opaqueBroadcast(topic string, payload []byte) *Frame {
	buf := newWire(3 + len(topic) + len(EventBroadcast) + len(payload))
	buf = append(buf, kindBroadcast, byte(len(topic)), byte(len(EventBroadcast)))
	buf = append(buf, topic...)
	buf = append(buf, EventBroadcast...)
	return newFrame(opBinary, append(buf, payload...))
}
