package wal

import "testing"

// sampleRelation is there to be altered.
func sampleRelation() *Relation {
	int4, text := BuiltinTypeByName("int4"), BuiltinTypeByName("text")
	mood := &Type{OID: 20001, Name: "mood", Kind: KindEnum, Labels: []string{"sad", "happy"}}
	pair := &Type{OID: 20002, Name: "pair", Kind: KindComposite, Fields: []Field{{"a", int4}, {"b", text}}}
	return &Relation{OID: 1, Schema: "public", Table: "t", ReplicaIdentity: IdentityDefault, Columns: []Column{
		{Name: "id", Type: int4, Modifier: -1, Identity: true, Key: true},
		{Name: "mood", Type: &Type{OID: 20003, Name: "_mood", Kind: KindArray, Element: mood}},
		{Name: "pair", Type: &Type{OID: 20004, Name: "good", Kind: KindDomain, Base: pair}},
	}}
}

func TestSameShape(t *testing.T) {
	if a := sampleRelation(); !a.SameShape(a) || !a.SameShape(sampleRelation()) || !a.SameShape(NewRelation(*sampleRelation())) || a.SameShape(nil) {
		t.Error("equal relations are not of the same shape, or nil is")
	}
	for name, alter := range map[string]func(*Relation){
		"oid":              func(r *Relation) { r.OID++ },
		"schema":           func(r *Relation) { r.Schema = "app" },
		"table":            func(r *Relation) { r.Table = "u" },
		"replica identity": func(r *Relation) { r.ReplicaIdentity = IdentityFull },
		"fewer columns":    func(r *Relation) { r.Columns = r.Columns[:2] },
		"column name":      func(r *Relation) { r.Columns[0].Name = "key" },
		"modifier":         func(r *Relation) { r.Columns[0].Modifier = 5 },
		"identity":         func(r *Relation) { r.Columns[0].Identity = false },
		"key":              func(r *Relation) { r.Columns[0].Key = false },
		"type":             func(r *Relation) { r.Columns[0].Type = BuiltinTypeByName("int8") },
		"element's labels": func(r *Relation) { r.Columns[1].Type.Element.Labels = []string{"sad"} },
		"field of a base":  func(r *Relation) { r.Columns[2].Type.Base.Fields[1].Name = "c" },
		"field's type":     func(r *Relation) { r.Columns[2].Type.Base.Fields[1].Type = BuiltinTypeByName("int4") },
		"no element":       func(r *Relation) { r.Columns[1].Type.Element = nil },
	} {
		other := sampleRelation()
		alter(other)
		if sampleRelation().SameShape(other) || other.SameShape(sampleRelation()) {
			t.Errorf("relations that differ in %s are of the same shape", name)
		}
	}
}

func TestRelationColumnAndKey(t *testing.T) {
	r := sampleRelation()
	if r.Column("mood") != 1 || r.Column("Mood") != -1 || !r.HasKey() {
		t.Errorf("Column(mood) = %d, Column(Mood) = %d, HasKey = %v; want 1, -1, true", r.Column("mood"), r.Column("Mood"), r.HasKey())
	}
	r.Columns[0].Key = false
	if r.HasKey() {
		t.Error("HasKey without a key column = true")
	}
	if got := r.Columns[2].Type.Underlying().Name; got != "pair" {
		t.Errorf("Underlying type of a domain = %s; want pair", got)
	}
}

func TestOperationText(t *testing.T) {
	for op, want := range map[Operation]string{Insert: "INSERT", Update: "UPDATE", Delete: "DELETE", Truncate: "TRUNCATE", Message: "MESSAGE", 0: "UNKNOWN"} {
		if got := op.String(); got != want {
			t.Errorf("Operation(%d).String() = %s; want %s", op, got, want)
		}
	}
}
