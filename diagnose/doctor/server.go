package doctor

import (
	"fmt"
	"time"
)

// checks are functions of the facts, in the order in which their findings are told.
func checks() []func(*facts) []Finding {
	return []func(*facts) []Finding{
		version, walLevel, standby, encoding, clock, encryption,
		walSenders, replicationSlots, slotLimit, idleSlots, senderTimeout, synchronousCommit, rowSecurity, outputSettings,
		ownRole, ownSlot, decoding, failover, otherSlots, publications, published, filtered, privateChannels,
	}
}

// goodMinor are the first minor versions, by major, that lose no changes while tables and
// publications are altered, and do not run out of memory over that either.
var goodMinor = map[int]int{14: 19, 15: 14, 16: 10, 17: 6}

// newest is the newest major version that walcast is tested with.
const newest = 18

func version(f *facts) []Finding {
	const code = "version"
	s := f.server
	name := "Postgres " + s.version
	minor := s.number % 10000
	switch good := goodMinor[s.major()]; {
	case s.number < oldest:
		return []Finding{problem(code, Server, s.database, "%s is too old: walcast needs 14 or newer", name).advised("upgrade Postgres")}
	case minor < good:
		return []Finding{warning(code, Server, s.database, "%s may lose changes, or end the stream for want of memory, while tables or publications are altered: %d.%d does not", name, s.major(), good).
			advised("install the newest minor version of Postgres %d, which takes a restart", s.major())}
	case s.major() > newest:
		return []Finding{warning(code, Server, s.database, "%s is newer than what this walcast was tested with, which is 14 to %d", name, newest).advised("look for a newer walcast")}
	}
	return []Finding{fine(code, Server, s.database, "%s", name)}
}

func walLevel(f *facts) []Finding {
	s := f.settings["wal_level"]
	if s.value == "logical" {
		return []Finding{fine("wal_level", Setting, s.name, "wal_level is logical")}
	}
	wrong := problem("wal_level", Setting, s.name, "wal_level is %s, so that no changes can be read", s.value)
	return []Finding{f.platform.change(wrong, s, "logical", "Postgres writes somewhat more WAL; while there is a logical slot it does not start with another wal_level")}
}

func standby(f *facts) []Finding {
	const code = "standby"
	switch {
	case !f.server.isStandby:
		return []Finding{fine(code, Server, f.server.database, "database-url leads to a primary")}
	case f.server.number < 160000:
		return []Finding{problem(code, Server, f.server.database, "database-url leads to a standby, which can be read from Postgres 16 on only").advised("use the primary in database-url")}
	}
	return []Finding{warning(code, Server, f.server.database, "database-url leads to a standby: there are no snapshots and no heartbeats, and private channels cannot be joined").
		advised("use the primary in database-url where these are needed")}
}

func encoding(f *facts) []Finding {
	const code = "encoding"
	switch e := f.server.encoding; e {
	case "UTF8":
		return []Finding{fine(code, Server, f.server.database, "the database's encoding is UTF8")}
	case "SQL_ASCII":
		return []Finding{warning(code, Server, f.server.database, "the database's encoding is SQL_ASCII, which does not know what its text is: what is no UTF-8 comes as U+FFFD, and row-level security is always asked of Postgres").
			advised("make a database with ENCODING 'UTF8', and load a dump into it")}
	default:
		return []Finding{warning(code, Server, f.server.database, "the database's encoding is %s: characters that have no UTF-8 come as U+FFFD, and row-level security is always asked of Postgres", e).
			advised("make a database with ENCODING 'UTF8', and load a dump into it")}
	}
}

// clockOff is how far clocks may be apart before it is worth a word.
const clockOff = time.Second

func clock(f *facts) []Finding {
	off, way := f.server.ahead.Round(time.Millisecond), "ahead of"
	if off < 0 {
		off, way = -off, "behind"
	}
	if off <= clockOff {
		return []Finding{fine("clock", Server, f.server.database, "its clock agrees with that of this machine")}
	}
	return []Finding{warning("clock", Server, f.server.database, "the clock of Postgres is %s %s that of this machine: commit times and lag look odd, and tokens that SQL makes may not be good yet, or not any more", off, way).
		advised("have both machines set their clocks by NTP")}
}

func encryption(f *facts) []Finding {
	const code = "encryption"
	switch s := f.server; {
	case s.isSecret:
		return []Finding{fine(code, Server, s.database, "the connection is encrypted")}
	case s.isNear:
		return []Finding{fine(code, Server, s.database, "the connection is not encrypted, and stays on this machine or in a private network")}
	}
	return []Finding{warning(code, Server, f.server.database, "the connection is not encrypted, and the server is in no private network: all changes can be read on the way").
		advised("set sslmode=verify-full in database-url, with sslrootcert if the certificate is not of a public authority")}
}

// bytesOf writes a size as people do.
func bytesOf(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 || size == float64(int64(size)) {
		return fmt.Sprintf("%.0f %s", size, units[unit])
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}
