// Package subscriber is a client of the channel protocol: it joins channels, joins them
// again after each lost connection, and goes on where it was. docs/protocol.md has the
// protocol.
package subscriber
