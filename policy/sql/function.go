package sql

import "strings"

// function is a function of the database that policies call.
type function struct {
	name    string // qualified, quoted
	returns TypeName
	body    Expression // nil if the function is not understood
}

// Definition is what pg_proc says of a function.
type Definition struct {
	Schema, Name string
	Body         Body
	Signature    Signature
	Settings     []string // proconfig
	Definer      bool     // SECURITY DEFINER: current_user is the function's owner
	Executable   bool     // the role may execute the function
}

// Body is what a function does.
type Body struct {
	Language string
	Source   string // prosrc
	Parsed   bool   // the function has an SQL-standard body instead of Source
}

// Signature is how a function is declared.
type Signature struct {
	Kind      string // prokind
	Volatile  string // provolatile
	Arguments int
	Set       bool   // the function returns a set
	Returns   string // the result's type, by format_type
}

// newFunction reads a definition. The body is kept only if the declaration lets it
// be evaluated here; whether the body does nothing but look into the claims turns
// out when it is evaluated.
func newFunction(d Definition) *function {
	f := &function{name: Qualified(d.Schema, d.Name), returns: TypeName(d.Signature.Returns)}
	plain := d.Body.Language == "sql" && !d.Body.Parsed && d.Signature.Kind == "f" && !d.Signature.Set && d.Signature.Arguments == 0
	// A volatile function with such a body gives the same for every row, but its
	// declaration says otherwise.
	if !plain || d.Signature.Volatile == "v" || d.Definer || !d.Executable || strings.ContainsRune(d.Body.Source, '\\') {
		return f
	}
	for _, setting := range d.Settings {
		path, ok := strings.CutPrefix(setting, "search_path=")
		if !ok || !CatalogFirst(path) {
			return f
		}
	}
	if body, err := ParseBody(d.Body.Source); err == nil {
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

// NewFunctions reads definitions. Functions of one name differ by their arguments,
// which are not looked at here, so none of them is understood.
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
