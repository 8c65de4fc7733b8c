// Package quiet keeps a log short and free of secrets, whatever clients make the
// server say: a slog.Handler around the one that writes.
//
// Of entries of one kind (component, level and message) the first ten pass and
// then one a second, with how many were left out since the last. Values are cut at
// 200 bytes; tokens, query strings and what stands before the host of a URL are
// taken out of them.
package quiet
