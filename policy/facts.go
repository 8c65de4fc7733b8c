package policy

import (
	"slices"

	"walcast/policy/sql"
	"walcast/replication/wal"
)

// facts is what the catalog says of one relation for one role.
type facts struct {
	oid      uint32
	role     roleFacts
	relation relationFacts
	policies policyFacts
	session  session
	names    names

	reads   Reads
	depends dependencies
	sight   sight
	lsn     wal.LSN // a transaction that commits here or later commits after the catalog was read
}

// watched returns what the facts, the answers and who has access depend on, in order.
func (f *facts) watched() dependencies {
	all := slices.Concat(dependencies{{kind: dependRest}}, f.depends, f.depends.access(false), f.reads.dependencies())
	slices.SortFunc(all, dependency.compare)
	return slices.Compact(all)
}

// roleFacts is what the catalog says of the role itself.
type roleFacts struct {
	Name     string
	Known    bool   // there is a role of that name
	Settable bool   // our user may become the role
	Member   bool   // our user is a member of the role, whether or not it may become it
	User     string // our user, who has logged in
	Acting   string // as whom our sessions run: our user, or a role that is set for it
}

// relationFacts is what the catalog says of the relation, and of the role's rights
// to it.
type relationFacts struct {
	Known         bool   // there still is a relation with that OID
	Schema, Table string // its present names
	RowSecurity   bool   // row-level security applies to the role
	SchemaUsage   bool   // the role has USAGE on the schema
	Selectable    []bool // by index of the Relation's columns: the role may SELECT the column
	attributes    []attribute
}

// policyFacts is the policies that apply to the role, and what they call.
type policyFacts struct {
	Literals  bool // reading a literal in them may run code of users
	stored    []policyRow
	asked     []string // the Using of each stored policy, as printed under session.RunPath
	functions []sql.Definition
}

// attribute is a column that the table has at present.
type attribute struct {
	Name          string
	Number        int16
	Domain        bool // the column's type is a domain, whose input may refuse NULL
	Toastable     bool // an UPDATE may come without the column's value
	Deterministic bool // the collation is deterministic, or there is none
	// Equals is the operator of the primary key's index. It is "" for columns
	// outside the key, and if the role may not name the operator.
	Equals string
}

// policyRow is a policy for SELECT that applies to the role.
type policyRow struct {
	Name       string
	Permissive bool
	Using      string  // pg_get_expr with only pg_catalog on the search_path
	Columns    []int16 // the columns that Using names, system columns below 0; not whole rows
}

// names says which of the names in policies the role, and our own user, cannot look
// up. A stored policy needs no USAGE on the schemas of the names in it, but its
// text needs it.
type names struct {
	Subject []string // schemas that the role has no USAGE on
	Own     []string // schemas that our user has no USAGE on
	Secured bool     // the policies read another table with row-level security, see facts.parser
}

// session is the settings of our own sessions, in which policies are evaluated.
type session struct {
	SearchPath      string // the path of our user, on which functions of policies look up names
	Encoding        string
	ClaimSettings   bool // the database or the user sets one of the old settings for claims
	SettingReadable bool // the role may call current_setting
	// RunPath is pg_catalog and those schemas of SearchPath that the role has USAGE
	// on and in which only superusers and the owners of the table and the database
	// can create objects. In any other schema somebody could create a function that
	// fits a call better than the function that the policy's author meant.
	RunPath   string
	WholePath bool // RunPath has all schemas of SearchPath that the role has USAGE on
}

// certain reports whether expressions mean in the session what package sql takes
// them to mean.
func (s session) certain() bool {
	return s.Encoding == "UTF8" && !s.ClaimSettings && s.SettingReadable && sql.CatalogFirst(s.SearchPath)
}
