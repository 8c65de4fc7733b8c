// Package rowjson writes rows, values and columns as the JSON that Supabase
// Realtime's clients expect.
//
// It reads the text form that Postgres gives a value, arrays, composites and
// hstore included, by the type that package wal has for it. It keeps nothing but
// what a Relation contributes to each of its rows. It knows nothing of frames: a
// record is one member of those that protocol writes.
//
// Neighbours: wal has the values, channels asks for the JSON.
package rowjson
