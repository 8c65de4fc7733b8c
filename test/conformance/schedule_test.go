package conformance

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"walcast/internal/transcript"
)

// sectionsAtOnce bounds how many sections of a file are played at once.
const sectionsAtOnce = 16

// tables is what a section listens and writes to.
type tables struct {
	all    bool // listens to a whole schema
	heard  map[string]bool
	writes map[string]bool
}

var tableName = regexp.MustCompile(`\btr_\w+|Tr Mixed Case|\bTbl\b`)

func tablesOf(s transcript.Section) tables {
	t := tables{heard: map[string]bool{}, writes: map[string]bool{}}
	for _, l := range s.Lines {
		into := t.heard
		switch l.Dir {
		case "sql":
			into = t.writes
		case ">":
			t.all = t.all || strings.Contains(string(l.Frame), `"postgres_changes":[{`) && !tableName.Match(l.Frame) || strings.Contains(string(l.Frame), `"table":"*"`) || strings.Contains(string(l.Frame), `"schema":"public"}`)
		default:
			continue
		}
		for _, name := range tableName.FindAllString(string(l.Frame), -1) {
			// What is done to a partition is heard on the table, and the reverse.
			if strings.HasPrefix(name, "tr_part") {
				name = "tr_part"
			}
			into[name] = true
		}
	}
	return t
}

// disturbs says whether two sections cannot be played at once: one hears what
// the other writes.
func (t tables) disturbs(o tables) bool {
	return t.hears(o.writes) || o.hears(t.writes) || meet(t.writes, o.writes)
}

func (t tables) hears(written map[string]bool) bool {
	return t.all && len(written) > 0 || meet(t.heard, written)
}

func meet(a, b map[string]bool) bool {
	for name := range a {
		if b[name] {
			return true
		}
	}
	return false
}

// list is the written tables as SQL, and "" for none.
func (t tables) list() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.writes)) {
		switch {
		case name == "Tbl":
			name = `"tr Schema"."Tbl"`
		case strings.Contains(name, " "):
			name = `"` + name + `"`
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// schedule plays sections, as many at once as do not disturb each other; those
// that would keep their order.
func schedule(t *testing.T, sections []transcript.Section, play func(*testing.T, transcript.Section)) {
	slots := make(chan struct{}, sectionsAtOnce)
	done := make([]chan struct{}, len(sections))
	uses := make([]tables, len(sections))
	var playing sync.WaitGroup
	for i, s := range sections {
		done[i], uses[i] = make(chan struct{}), tablesOf(s)
		playing.Go(func() {
			defer close(done[i])
			for j := range i {
				if uses[i].disturbs(uses[j]) {
					<-done[j]
				}
			}
			slots <- struct{}{}
			t.Run(s.Name, func(t *testing.T) { play(t, s) })
			<-slots
		})
	}
	playing.Wait()
}
