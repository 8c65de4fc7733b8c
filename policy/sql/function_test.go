package sql

import "testing"

func TestOnlyBodiesThatLookAtClaimsAreUnderstood(t *testing.T) {
	good := Definition{
		Schema: "auth", Name: "uid", Executable: true,
		Signature: Signature{Kind: "f", Volatile: "s", Returns: "uuid"},
		Body:      Body{Language: "sql", Source: "select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid"},
	}
	env := Environment{Role: "authenticated", Claims: `{"role":"authenticated","sub":"00000000-0000-4000-8000-000000000001"}`}
	understood := func(d Definition) bool {
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
	for name, change := range map[string]func(*Definition){
		"another language":     func(d *Definition) { d.Body.Language = "plpgsql" },
		"a parsed body":        func(d *Definition) { d.Body.Parsed = true },
		"a procedure":          func(d *Definition) { d.Signature.Kind = "p" },
		"volatile":             func(d *Definition) { d.Signature.Volatile = "v" },
		"arguments":            func(d *Definition) { d.Signature.Arguments = 1 },
		"a set":                func(d *Definition) { d.Signature.Set = true },
		"security definer":     func(d *Definition) { d.Definer = true },
		"no right to execute":  func(d *Definition) { d.Executable = false },
		"a setting":            func(d *Definition) { d.Settings = []string{"role=postgres"} },
		"a search_path":        func(d *Definition) { d.Settings = []string{"search_path=public, pg_catalog"} },
		"another type":         func(d *Definition) { d.Signature.Returns = "text" },
		"an unknown type":      func(d *Definition) { d.Signature.Returns = "auth.id" },
		"a sub-select":         func(d *Definition) { d.Body.Source = "select id from users" },
		"another function":     func(d *Definition) { d.Body.Source = "select auth.uid()" },
		"two statements":       func(d *Definition) { d.Body.Source += "; select 1" },
		"another setting":      func(d *Definition) { d.Body.Source = "select current_setting('app.user', true)::uuid" },
		"a setting without ok": func(d *Definition) { d.Body.Source = "select current_setting('request.jwt.claim.sub')::uuid" },
		"an old setting bare":  func(d *Definition) { d.Body.Source = "select current_setting('request.jwt.claim.sub', true)::uuid" },
		"a backslash":          func(d *Definition) { d.Body.Source = `select nullif('\', current_setting('request.jwt.claims'))::uuid` },
		"a column":             func(d *Definition) { d.Body.Source = "select owner" },
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
	if NewFunctions([]Definition{good, good})[Qualified("auth", "uid")].body != nil {
		t.Error("two functions of one name are understood")
	}
}

func TestCatalogFirst(t *testing.T) {
	for path, want := range map[string]bool{
		"": true, `"$user", public`: true, "pg_catalog": true, "pg_catalog, public": true, "public, pg_catalog": false, `"$user",public,"pg_catalog"`: false,
	} {
		if got := CatalogFirst(path); got != want {
			t.Errorf("CatalogFirst(%s) = %t", path, got)
		}
	}
}
