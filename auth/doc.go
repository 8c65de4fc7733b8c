// Package auth verifies JWTs and reads their claims. It knows nothing of what a
// token permits.
//
// Algorithms cannot be confused: the header's "alg" picks a family of keys, and
// a key is only ever found in the family it was configured for.
//
// Neighbours: gateway verifies at connect and over HTTP, channels at join,
// refresh and expiry; policy makes subjects of the claims.
package auth
