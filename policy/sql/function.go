package sql

import "strings"

// function is a function of the database that policies call.
type function struct {
	name    string // qualified, quoted
	returns TypeName
	body    Expression // nil when it is not one of those that are understood
}

// Definition is what pg_proc says of a function.
type Definition struct {
	Schema, Name string
	Language     string
	Source       string // prosrc
	Parsed       bool   // has an SQL-standard body instead
	Kind         string // prokind
	Volatile     string // provolatile
	Arguments    int
	Set          bool // returns a set
	Settings     []string
	Returns      string // format_type
	Definer      bool   // security definer: current_user is its owner
	Executable   bool   // by the role
}

// newFunction reads a definition. The body is compiled only if it does nothing
// but look into the claims, whichever role made the function; whether that is
// so is found out when the body is evaluated.
func newFunction(d Definition) *function {
	f := &function{name: Qualified(d.Schema, d.Name), returns: TypeName(d.Returns)}
	plain := d.Language == "sql" && !d.Parsed && d.Kind == "f" && !d.Set && d.Arguments == 0
	// A volatile function with such a body gives the same for every row, but its
	// declaration says otherwise.
	if !plain || d.Volatile == "v" || d.Definer || !d.Executable || strings.ContainsRune(d.Source, '\\') {
		return f
	}
	for _, setting := range d.Settings {
		path, ok := strings.CutPrefix(setting, "search_path=")
		if !ok || !CatalogFirst(path) {
			return f
		}
	}
	if body, err := ParseBody(d.Source); err == nil {
		f.body = body
	}
	return f
}

// CatalogFirst reports whether unqualified names of functions, operators and
// types are looked for in pg_catalog before any other schema: unless the path
// names it later, it is implicitly the first.
func CatalogFirst(path string) bool {
	for i, name := range strings.Split(path, ",") {
		if strings.Trim(strings.TrimSpace(name), `"`) == "pg_catalog" {
			return i == 0
		}
	}
	return true
}

// Functions are the functions that policies of a table call, by name.
type Functions map[string]*function

// NewFunctions understands definitions. Two of one name are told apart by
// arguments only, which is not done here: neither is understood.
func NewFunctions(definitions []Definition) Functions {
	functions := Functions{}
	for _, d := range definitions {
		f := newFunction(d)
		if functions[f.name] != nil {
			f.body = nil
		}
		functions[f.name] = f
	}
	return functions
}
