// Package protocol turns bytes into messages and messages into frames: vsn
// 1.0.0 and 2.0.0 of the channel protocol, text and binary, the join payload,
// and the event names and texts that clients match on.
//
// It is pure and imports none of walcast's packages but internal/elixir; it keeps
// no state.
//
// Neighbours: gateway reads and writes frames, channels decides what they say.
package protocol
