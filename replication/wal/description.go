package wal

// Description is what Postgres' catalog knows of a relation and pgoutput does
// not say.
type Description struct {
	Key   []string         // names of the primary key's columns, in the key's order
	Types map[uint32]*Type // those asked for, by OID; one that is not known is missing
}
