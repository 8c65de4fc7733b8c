// Package auth says whose token this is: it verifies JWTs and reads their
// claims. It knows nothing of what a token permits.
//
// Neighbours: gateway verifies at connect and over HTTP, channels at join,
// refresh and expiry; policy makes subjects of the claims.
package auth
