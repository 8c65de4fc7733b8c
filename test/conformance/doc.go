// Package conformance plays what was recorded from upstream, which is
// Supabase Realtime (testdata/transcripts), against walcast on a real Postgres: the same sockets,
// frames and statements, wanting the same answers but for the deviations that
// deviation_*_test.go list one by one. It is for tests only.
package conformance
