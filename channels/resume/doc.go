// Package resume remembers what clients with a client_id have received of their
// topics, so that a client that comes back goes on where it was. What a client
// has is proven by its pongs (Ledger), kept for as long as it may be away
// (Clients) and written to a file from one run of the server to the next.
//
// It knows positions in the log and numbers of broadcasts. It knows nothing of
// what is delivered, nor of sockets.
//
// Neighbours: channels takes a Bookmark for each channel and asks the Ledger
// what to put into pings; other packages that keep something over a restart are
// Sections of the same file.
package resume
