package presence

import (
	"encoding/json"
	"fmt"
	"testing"
)

// crowd is a state of that many members, all known to the clients.
func crowd(b *testing.B, members int) *State {
	b.Helper()
	s := NewState()
	for i := range members {
		enter(b, s, i)
	}
	s.Flush()
	return s
}

func enter(b *testing.B, s *State, i int) {
	payload := fmt.Appendf(nil, `{"user_id":%d,"name":"member %d","online_at":"2026-01-01T00:00:00.000Z"}`, i, i)
	if err := s.Track(ChannelID(i), fmt.Sprintf("user-%d", i), payload, fmt.Sprintf("ref-%012d", i)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStorm is a topic that fills: each member gets the state, then
// tracks; diffs go out after every 20th. One operation is the whole storm.
func BenchmarkStorm(b *testing.B) { benchmarkStorm(b, 100, 1_000, 5_000) }

func benchmarkStorm(b *testing.B, sizes ...int) {
	for _, members := range sizes {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				s := NewState()
				for i := range members {
					buf = s.AppendState(buf[:0])
					enter(b, s, i)
					if i%20 == 19 {
						buf = s.Flush().AppendTo(buf[:0])
					}
				}
			}
		})
	}
}

// BenchmarkUpdate is one channel of many that tracks something new, and the diff.
func BenchmarkUpdate(b *testing.B) {
	for _, members := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			s := crowd(b, members)
			payloads := [2]json.RawMessage{json.RawMessage(`{"x":1,"y":2}`), json.RawMessage(`{"x":2,"y":1}`)}
			refs := NewRefSource([12]byte{})
			var buf []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := s.Track(1, "user-1", payloads[i%2], refs.Next()); err != nil {
					b.Fatal(err)
				}
				buf = s.Flush().AppendTo(buf[:0])
			}
		})
	}
}

// BenchmarkState is the state for a channel that joins, when nothing has changed
// since the last one and when something has.
func BenchmarkState(b *testing.B) {
	for _, members := range []int{10, 1_000, 10_000} {
		for _, fresh := range []bool{true, false} {
			b.Run(fmt.Sprintf("members=%d/fresh=%v", members, fresh), func(b *testing.B) {
				s := crowd(b, members)
				for b.Loop() {
					if !fresh {
						s.encoded = nil
					}
					s.Encoded()
				}
				b.SetBytes(int64(len(s.Encoded())))
			})
		}
	}
}
