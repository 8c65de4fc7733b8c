// Package gateway serves WebSocket sessions and event streams: their handshakes,
// queues, writers, limits and timeouts. It knows nothing of SQL.
//
// Neighbours: channels acts on what sessions say, auth verifies their tokens,
// gateway/api answers every other HTTP request, server runs the Gateway.
package gateway
