// Package gateway is HTTP: WebSocket sessions with their queues, limits and
// timeouts, health, readiness and metrics. It knows nothing of SQL.
//
// Neighbours: channels acts on what sessions say, auth verifies their tokens,
// server runs the Gateway.
package gateway
