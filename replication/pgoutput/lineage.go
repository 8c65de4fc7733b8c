package pgoutput

import "encoding/binary"

// Lineage finds out which partitions have their rows sent under the name of a table that
// is published as their root. Rows name the root alone. But before the first row of a
// partition, and before the next one after either table has changed, pgoutput describes
// the root, then the partition, and then sends the row, with nothing but types between.
// The zero Lineage is that of a stream that begins.
type Lineage struct {
	former, last uint32 // tables of the last two Relation messages, 0 if anything but a type came since
	told         map[uint32]bool
}

// Read takes in a message of the stream. It is not ok if that tells of no partition.
func (l *Lineage) Read(message []byte) (root, partition uint32, ok bool) {
	switch kind, table := head(message); kind {
	case 'Y':
	case 'R':
		l.former, l.last = l.last, table
	case 'I', 'U', 'D':
		root, partition, ok = l.former, l.last, table != 0 && table == l.former && l.former != l.last
		l.former, l.last = 0, 0
	default:
		l.former, l.last = 0, 0
	}
	return root, partition, ok
}

// Recall takes in a message of those that tell what a stream has told before. There, each
// table but such partitions is described once, and after that each partition, directly
// behind its root, which is described again.
func (l *Lineage) Recall(message []byte) (root, partition uint32, ok bool) {
	kind, table := head(message)
	switch {
	case kind != 'R':
	case l.former != 0:
		root, partition, ok = l.former, table, table != l.former
		l.former = 0
	case l.told[table]:
		l.former = table
	case l.told == nil:
		l.told = map[uint32]bool{table: true}
	default:
		l.told[table] = true
	}
	return root, partition, ok
}

// head is the kind of a message and, of those that have one in front, the table.
func head(message []byte) (kind byte, table uint32) {
	if len(message) < 5 {
		return 0, 0
	}
	return message[0], binary.BigEndian.Uint32(message[1:])
}
