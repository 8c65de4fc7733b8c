// Package catalog asks Postgres' system catalogs which tables are published, what
// their columns' types are made of and what their primary keys are.
//
// It answers in the values of package wal, as the catalogs are at that time, and
// caches nothing. It knows nothing of rows, grants and policies.
//
// Neighbours: replication asks on behalf of pgoutput, channels and policy when a
// client joins.
package catalog
