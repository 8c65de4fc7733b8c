// Package wal has the nouns of the write-ahead log: LSN, Position, Change, Row,
// Value, Relation, Column and Type.
//
// They are plain values, immutable once made and shared by all consumers. The
// package does no I/O, imports nothing of ours and no driver, and knows neither
// where changes come from nor where they go.
//
// Neighbours: pgoutput and catalog make these values, changelog keeps them,
// rowjson writes them as JSON, filters and policy judge them.
package wal
