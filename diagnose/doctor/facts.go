package doctor

import (
	"time"

	"walcast/replication"
)

// facts is what was read of a database. The checks are functions of it.
type facts struct {
	config       Config
	server       server
	platform     platform
	settings     map[string]setting
	overrides    []override
	self         self
	slots        []replication.Slot
	streams      streams
	waits        []wait // only where the slot has still to be made
	publications []publication
	tables       []table
	filters      []rowFilter
	private      private
}

// server is the server and the connection to it.
type server struct {
	number    int    // server_version_num, as 150003
	version   string // as people write it
	database  string
	isStandby bool
	encoding  string
	ahead     time.Duration // how far its clock is ahead of ours
	isSecret  bool          // the connection is encrypted
	isNear    bool          // it is on this machine or in a private network
	system    string        // its identifier, "" if it is not known
}

// major is the major version.
func (s server) major() int { return s.number / 10000 }

// setting is a row of pg_settings.
type setting struct {
	name     string
	value    string // in unit
	unit     string
	reset    string // what sessions of this role begin with
	source   string
	restarts bool // a change takes effect with a restart only
}

// override is a setting that sessions of a role, of a database, or of both begin with.
type override struct {
	role, database string // "" is any
	name, value    string
}

// self is the role that walcast connects as.
type self struct {
	name       string // who has logged in
	acting     string // as whom its sessions run, which is another if a role is set for it
	replicates bool   // it has REPLICATION, or what a platform has in place of it
	beats      bool   // it may write the heartbeat
	monitors   bool   // it sees what other roles do
}

// streams are the connections that read the WAL.
type streams struct {
	all      int   // of any kind, which max_wal_senders limits
	slots    int   // of any kind, which max_replication_slots limits
	standbys int   // physical ones
	behind   int64 // bytes of the WAL that were not sent to the reader of our slot; negative if nobody reads it
	spilled  int64 // transactions of our slot that were written to disk
}

// wait is a transaction that keeps a slot from being made.
type wait struct {
	text string // for people
	fix  string // SQL that ends it; "" if that is for its owner to do
}

// publication is one that walcast is to read, and that is there.
type publication struct {
	name, owner string
	allTables   bool
	viaRoot     bool // partitioned tables have their changes under their own name
	tables      int

	missing      []string // kinds of changes that do not come of some of its tables, as INSERT
	all, allCost string   // SQL that publishes all kinds, and what that costs, or why there is none
}

// table is a published table.
type table struct {
	oid          uint32
	schema, name string
	kind         string // pg_class.relkind
	isPartition  bool
	owner        string
	broken       broken
	longs        []string // columns that an UPDATE may leave out, as their values are stored outside the row
	generated    generated
	differs      bool // publications have different columns of it
}

// generated is what the generated columns of a table mean for its replica identity.
type generated struct {
	inFull     part // the first with a replica identity of FULL, if there are some
	onlyStored bool // none of these is virtual
}

// part is what has rows of a table: the table itself or one of its partitions, each with
// a replica identity of its own. The zero part is none.
type part struct {
	oid         uint32
	name        string // schema.table
	quoted      string
	isPart      bool // it is a partition
	hasKey      bool // it has a primary key that can be a replica identity
	keyTooShort bool // a row filter of some publication reads more than that key, which then cannot be the identity
}

// broken is why UPDATE and DELETE of a published table fail.
type broken struct {
	part                 // that is broken; none if nothing is
	identity    string   // pg_class.relreplident of it
	none        bool     // it has no replica identity
	unlisted    []string // columns of the identity that publication leaves out
	filtered    []string // columns of the publication's row filter that the identity has not
	publication string
	again       string // SQL that publishes the table with what is unlisted; "" where it is not listed

	full, fullCost string // SQL that writes whole old rows, and what that costs, or why there is none
}

// table is the published table of an OID, nil if there is none.
func (f *facts) table(oid uint32) *table {
	for i := range f.tables {
		if f.tables[i].oid == oid {
			return &f.tables[i]
		}
	}
	return nil
}

func (t table) qualified() string { return t.schema + "." + t.name }
