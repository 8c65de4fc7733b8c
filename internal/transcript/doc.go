// Package transcript reads recorded conversations with upstream, which is Supabase
// Realtime (testdata/transcripts), and compares them with what walcast sends.
//
// It knows the files and their placeholders. What a frame means is up to the
// packages whose tests use it. It is for tests only.
package transcript
