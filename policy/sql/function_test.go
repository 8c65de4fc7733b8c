package policy

import "testing"

func TestOnlyBodiesThatLookAtClaimsAreUnderstood(t *testing.T) {
	good := definition{
		Schema: "auth", Name: "uid", Language: "sql", Kind: "f", Volatile: "s", Returns: "uuid", Executable: true,
		Source: "select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid",
	}
	env := environment{role: "authenticated", claims: user1}
	understood := func(d definition) bool {
		f := newFunction(d)
		if f.body == nil {
			return false
		}
		_, err := env.function(f)
		return err == nil
	}
	if !understood(good) {
		t.Fatal("the plain function is not understood")
	}
	for name, change := range map[string]func(*definition){
		"another language":     func(d *definition) { d.Language = "plpgsql" },
		"a parsed body":        func(d *definition) { d.Parsed = true },
		"a procedure":          func(d *definition) { d.Kind = "p" },
		"volatile":             func(d *definition) { d.Volatile = "v" },
		"arguments":            func(d *definition) { d.Arguments = 1 },
		"a set":                func(d *definition) { d.Set = true },
		"security definer":     func(d *definition) { d.Definer = true },
		"no right to execute":  func(d *definition) { d.Executable = false },
		"a setting":            func(d *definition) { d.Settings = []string{"role=postgres"} },
		"a search_path":        func(d *definition) { d.Settings = []string{"search_path=public, pg_catalog"} },
		"another type":         func(d *definition) { d.Returns = "text" },
		"an unknown type":      func(d *definition) { d.Returns = "auth.id" },
		"a sub-select":         func(d *definition) { d.Source = "select id from users" },
		"another function":     func(d *definition) { d.Source = "select auth.uid()" },
		"two statements":       func(d *definition) { d.Source += "; select 1" },
		"another setting":      func(d *definition) { d.Source = "select current_setting('app.user', true)::uuid" },
		"a setting without ok": func(d *definition) { d.Source = "select current_setting('request.jwt.claim.sub')::uuid" },
		"an old setting bare":  func(d *definition) { d.Source = "select current_setting('request.jwt.claim.sub', true)::uuid" },
		"a backslash":          func(d *definition) { d.Source = `select nullif('\', current_setting('request.jwt.claims'))::uuid` },
		"a column":             func(d *definition) { d.Source = "select owner" },
	} {
		d := good
		change(&d)
		if understood(d) {
			t.Errorf("a function with %s is understood", name)
		}
	}
	fine := good
	fine.Settings = []string{`search_path=""`}
	if !understood(fine) {
		t.Error("an empty search_path is not understood")
	}
	if byName([]definition{good, good})[qualified("auth", "uid")].body != nil {
		t.Error("two functions of one name are understood")
	}
}

func TestCatalogFirst(t *testing.T) {
	for path, want := range map[string]bool{
		"": true, `"$user", public`: true, "pg_catalog": true, "pg_catalog, public": true, "public, pg_catalog": false, `"$user",public,"pg_catalog"`: false,
	} {
		if got := catalogFirst(path); got != want {
			t.Errorf("catalogFirst(%s) = %t", path, got)
		}
	}
}
