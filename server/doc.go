// Package server is the composition root: it builds a project (reader, log,
// hub, auth, policy, gateway) from its config and starts and stops it in order.
// It knows nothing of wire formats.
package server
