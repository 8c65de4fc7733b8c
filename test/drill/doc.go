// Package drill checks that nothing is lost: writers commit numbered rows,
// clients of all kinds follow them through a proxy that cuts, stalls and
// half-closes connections, and the server and Postgres are killed at random; or the
// nodes of a cluster, which are frozen, too, and cut off from each other. At
// the end every client must have seen every committed row that it asked for, in
// order, or have been told to resync for exactly the stretch that it misses.
//
// It knows walcast only from outside, as a program and a protocol. What was
// committed, and where, it has from Postgres' own decoding.
//
// judge.go decides and is pure; everything else makes a mess and keeps the diaries.
package drill
