// Package api has the HTTP endpoints beside the sockets: broadcasts, presence,
// health, readiness, metrics, what doctor finds in the database, and why clients get rows or not.
//
// It knows tokens and what a request may ask for. It knows nothing of sessions,
// queues or SQL: what it needs of the gateway and of channels it declares as small
// interfaces beside their use.
//
// Neighbours: channels publishes the broadcasts and knows the presence of a
// topic, auth verifies tokens, gateway serves the handler on its listener, server puts them
// together. All of it is safe for concurrent use.
package api
