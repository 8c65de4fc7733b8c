package pgoutput

import (
	"errors"
	"slices"
	"testing"
	"time"

	"walcast/replication/wal"
)

// fakeCatalog stands for a catalog that can be unreachable, or behind.
type fakeCatalog struct {
	answer wal.Description
	err    error
	asked  [][]uint32
}

func (c *fakeCatalog) describe(_ uint32, types []uint32) (wal.Description, error) {
	c.asked = append(c.asked, slices.Clone(types))
	if c.err != nil {
		return wal.Description{}, c.err
	}
	return c.answer, nil
}

func moodType(labels ...string) map[uint32]*wal.Type {
	return map[uint32]*wal.Type{testEnum: {OID: testEnum, Schema: "public", Name: "mood", Kind: wal.KindEnum, Category: 'E', Labels: labels}}
}

var idAndMood = []testColumn{{"id", 23, true}, {"mood", testEnum, false}}

func TestRelationIsDescribedOnlyWhenItMayHaveChanged(t *testing.T) {
	plain := []testColumn{{"id", 23, true}, {"v", 25, false}}
	more := []testColumn{{"id", 23, true}, {"mood", testEnum, false}, {"n", 23, false}}
	for _, c := range []struct {
		name     string
		messages []message
		want     int
	}{
		{"built-in types and a key that shows need no look at the catalog", []message{relationMessage('d', plain...)}, 0},
		{"a type that is not built in", []message{relationMessage('d', idAndMood...)}, 1},
		{"the same again", []message{relationMessage('d', idAndMood...), relationMessage('d', idAndMood...)}, 1},
		{"another column", []message{relationMessage('d', idAndMood...), relationMessage('d', more...)}, 2},
		{"FULL hides the key, which may change under it", []message{relationMessage('f', plain...), relationMessage('f', plain...)}, 2},
		{"so does an index", []message{relationMessage('i', plain...), relationMessage('i', plain...)}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog := &fakeCatalog{answer: wal.Description{Types: moodType("sad")}}
			decodeAll(t, NewDecoder(catalog.describe), c.messages...)
			if got := len(catalog.asked); got != c.want {
				t.Errorf("described %d times; want %d", got, c.want)
			}
		})
	}
}

func TestEveryRelationMessageMakesARelation(t *testing.T) {
	d := NewDecoder(noCatalog)
	first := decodeAll(t, d, beginMessage(1, testTime), idAndName('d'), insertMessage("1", "a")).Changes[0].Relation
	same := decodeAll(t, d, insertMessage("2", "b")).Changes[0].Relation
	second := decodeAll(t, d, idAndName('d'), insertMessage("3", "c")).Changes[0].Relation
	if first != same || first == second || !first.SameShape(second) {
		t.Errorf("relations %p, %p, after a message %p; want the first two to be one, the third another of the same shape", first, same, second)
	}
}

func TestARelationSaysWhereInTheStreamItWasAnnounced(t *testing.T) {
	d := NewDecoder(noCatalog)
	of := func(xid uint32, messages ...message) wal.Announcement {
		begin := beginMessage(1, testTime)
		decodeAll(t, d, begin[:len(begin)-4].u32(xid))
		decodeAll(t, d, messages...)
		announced := decodeAll(t, d, insertMessage("1", "a")).Changes[0].Relation.Announced
		decodeAll(t, d, commitMessage(1, 2))
		return announced
	}
	for _, c := range []struct{ got, want wal.Announcement }{
		{of(7, idAndName('d')), wal.Announcement{First: 7, XID: 7}},
		{of(9), wal.Announcement{First: 7, XID: 7}},
		{of(8, idAndName('d')), wal.Announcement{First: 7, Last: 9, XID: 8}},
	} {
		if c.got != c.want {
			t.Errorf("announced %+v; want %+v", c.got, c.want)
		}
	}
}

func TestRelationTakesTheKeyFromTheCatalogUnlessTheIdentityShowsIt(t *testing.T) {
	for _, c := range []struct {
		name     string
		identity wal.ReplicaIdentity
		columns  []testColumn
		want     []bool
	}{
		{"default", wal.IdentityDefault, []testColumn{{"a", 23, false}, {"b", 23, true}}, []bool{false, true}},
		{"default without identity columns: a deferrable key", wal.IdentityDefault, []testColumn{{"a", 23, false}, {"b", 23, false}}, []bool{true, false}},
		{"full", wal.IdentityFull, []testColumn{{"a", 23, true}, {"b", 23, true}}, []bool{true, false}},
		{"index", wal.IdentityIndex, []testColumn{{"a", 23, false}, {"b", 23, true}}, []bool{true, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			catalog := &fakeCatalog{answer: wal.Description{Key: []string{"a", "gone"}}}
			r := decodeAll(t, NewDecoder(catalog.describe), beginMessage(1, testTime), relationMessage(c.identity, c.columns...), insertMessage("1", "2")).Changes[0].Relation
			if got := []bool{r.Columns[0].Key, r.Columns[1].Key}; !slices.Equal(got, c.want) {
				t.Errorf("key of (a, b) = %v; want %v", got, c.want)
			}
		})
	}
}

func TestStreamGoesOnWithoutTheCatalog(t *testing.T) {
	catalog := &fakeCatalog{answer: wal.Description{Types: moodType("sad")}, err: errors.New("no connection")}
	d := NewDecoder(catalog.describe)
	decodeAll(t, d, message{'Y'}.u32(testEnum).str("public").str("mood"), beginMessage(1, testTime), relationMessage('d', idAndMood...))
	row := decodeAll(t, d, insertMessage("1", "sad")).Changes[0]
	if id, mood := row.Relation.Columns[0].Type, row.Relation.Columns[1].Type; id.Name != "int4" || mood.Kind != wal.KindUnknown || mood.Name != "mood" || mood.OID != testEnum {
		t.Errorf("types %+v, %+v; want int4 and an unknown type by the name of the hint", id, mood)
	}
	decodeAll(t, d, commitMessage(1, 2))

	catalog.err = nil
	if got := decodeMood(t, d, testTime.Add(describeAgain-1)); got.Kind != wal.KindUnknown {
		t.Errorf("type is %c just before it is asked for again; want unknown", got.Kind)
	}
	if got := decodeMood(t, d, testTime.Add(describeAgain)); got.Kind != wal.KindEnum {
		t.Errorf("type is %c when it is asked for again; want an enum", got.Kind)
	}
	asked := len(catalog.asked)
	decodeMood(t, d, testTime.Add(time.Hour))
	if got := len(catalog.asked); got != asked {
		t.Errorf("described %d times more than needed", got-asked)
	}
}

// decodeMood returns the type that a row committed at the given time has.
func decodeMood(t *testing.T, d *Decoder, at time.Time) *wal.Type {
	t.Helper()
	decodeAll(t, d, beginMessage(1, at))
	c := decodeAll(t, d, insertMessage("1", "sad")).Changes[0]
	decodeAll(t, d, commitMessage(1, 2))
	return c.Relation.Columns[1].Type
}

func TestHintNamesTheBaseOfADomain(t *testing.T) {
	d := NewDecoder(noCatalog)
	r := decodeAll(t, d, message{'Y'}.u32(testEnum).str("").str("int4"), beginMessage(1, testTime),
		relationMessage('d', idAndMood...), insertMessage("1", "7")).Changes[0].Relation
	if got := r.Columns[1].Type; got.OID != testEnum || got.Underlying().Name != "int4" {
		t.Errorf("type = %+v; want a domain over int4", got)
	}
}

func TestUnknownEnumLabelIsAskedForOnce(t *testing.T) {
	catalog := &fakeCatalog{answer: wal.Description{Types: moodType("sad")}}
	d := NewDecoder(catalog.describe)
	first := decodeAll(t, d, beginMessage(1, testTime), relationMessage('d', idAndMood...), insertMessage("1", "sad")).Changes[0]
	catalog.answer.Types = moodType("sad", "happy")
	second := decodeAll(t, d, insertMessage("2", "happy")).Changes[0]
	if got := second.Relation.Columns[1].Type.Labels; !slices.Equal(got, []string{"sad", "happy"}) || first.Relation == second.Relation {
		t.Errorf("labels after ADD VALUE = %v; want both, in a new relation", got)
	}
	decodeAll(t, d, insertMessage("3", "renamed since"), insertMessage("4", "renamed since"), insertMessage("5", "happy"), insertMessage("6", nil))
	if got := len(catalog.asked); got != 3 { // the relation, happy, renamed since
		t.Errorf("described %d times; want 3", got)
	}
}

func TestKeyAndTypesSurviveAnUnreachableCatalog(t *testing.T) {
	catalog := &fakeCatalog{answer: wal.Description{Key: []string{"id"}, Types: moodType("sad")}}
	d := NewDecoder(catalog.describe)
	decodeAll(t, d, beginMessage(1, testTime), relationMessage('f', idAndMood...))
	catalog.err = errors.New("no connection")
	r := decodeAll(t, d, relationMessage('f', idAndMood...), insertMessage("1", "sad")).Changes[0].Relation
	if !r.Columns[0].Key || r.Columns[1].Key || r.Columns[1].Type.Kind != wal.KindEnum {
		t.Errorf("columns %+v; want the key and the type known before: id and an enum", r.Columns)
	}
}

// A renamed label comes with no message, and the Relation messages that come for
// other reasons are as they were.
func TestAnOutdatedTypeIsDescribedAgain(t *testing.T) {
	catalog := &fakeCatalog{answer: wal.Description{Types: moodType("sad")}}
	d := NewDecoder(catalog.describe)
	decodeAll(t, d, beginMessage(1, testTime), relationMessage('d', idAndMood...), commitMessage(1, 2))
	first := decodeMood(t, d, testTime)
	catalog.answer.Types = moodType("sad", "gloomy")
	if got := decodeMood(t, d, testTime); got != first {
		t.Errorf("labels %v before anybody has said that they changed", got.Labels)
	}
	d.Outdate([]uint32{testEnum + 1})
	if got := decodeMood(t, d, testTime); got != first {
		t.Errorf("labels %v after another type has changed", got.Labels)
	}
	d.Outdate([]uint32{testEnum})
	second := decodeMood(t, d, testTime)
	if !slices.Equal(second.Labels, []string{"sad", "gloomy"}) {
		t.Errorf("labels %v once the type is outdated; want sad and gloomy", second.Labels)
	}
	asked := len(catalog.asked)
	if got := decodeMood(t, d, testTime); got != second || len(catalog.asked) != asked {
		t.Errorf("described %d times more than needed", len(catalog.asked)-asked)
	}
	d.Outdate([]uint32{testEnum})
	if got := decodeMood(t, d, testTime); got != second {
		t.Error("what is as it was makes another relation")
	}
	catalog.answer.Types = moodType("fine")
	d.Outdate([]uint32{testEnum})
	decodeAll(t, d, beginMessage(1, testTime), relationMessage('d', idAndMood...), commitMessage(1, 2))
	if got := decodeMood(t, d, testTime); !slices.Equal(got.Labels, []string{"fine"}) {
		t.Errorf("labels %v behind a Relation message that says what the last did; want fine", got.Labels)
	}
}
