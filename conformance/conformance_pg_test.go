package conformance

import (
	"strings"
	"sync"
	"testing"

	"walcast/internal/transcript"
)

// files are the recordings that are played here.
var files = []struct {
	name       string
	deviations []deviation
	notPlayed  []omission
	inTime     string // part of the names of sections where time matters
	causal     bool   // see causesFirst
}{
	{name: "01-connect"},
	{name: "02-join", deviations: joinDeviations, notPlayed: joinOmissions},
	{name: "11-tokens", deviations: tokenDeviations, inTime: "at the second of expiry"},
	{name: "03-postgres-joins", deviations: postgresDeviations},
	{name: "04-row-payloads", deviations: rowDeviations},
	{name: "05-filters", deviations: filterDeviations, notPlayed: filterOmissions},
	{name: "06-rls", deviations: rlsDeviations},
	{name: "07-broadcast", deviations: broadcastDeviations, causal: true},
	{name: "08-broadcast-db", deviations: databaseDeviations, causal: true},
	{name: "09-presence", deviations: presenceDeviations, notPlayed: presenceOmissions, causal: true},
	{name: "10-private", deviations: privateChannelDeviations, causal: true},
}

// omission is a section that is not played, and why.
type omission struct{ section, why string }

func TestRecordedConversations(t *testing.T) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			recording := transcript.Read(t, "../testdata/transcripts/"+f.name+".jsonl")
			stage := open(t)
			var mu sync.Mutex
			used := map[int]bool{}
			schedule(t, played(t, recording.Sections, f.notPlayed), func(t *testing.T, s transcript.Section) {
				if list := tablesOf(s).list(); list != "" {
					stage.db.Exec("truncate " + list)
				}
				p := &player{
					T: t, stage: stage, section: s, tokens: recording.Tokens, deviations: f.deviations,
					causal: f.causal, inTime: f.inTime != "" && strings.Contains(s.Name, f.inTime),
				}
				p.used = func(i int) {
					mu.Lock()
					defer mu.Unlock()
					used[i] = true
				}
				p.play()
			})
			for i, d := range f.deviations {
				if !used[i] {
					t.Errorf("deviation %q %q was not met", d.section, d.line)
				}
			}
		})
	}
}

// played leaves out omissions, each of which must name a section, and what has
// no sockets.
func played(t *testing.T, sections []transcript.Section, not []omission) (rest []transcript.Section) {
	t.Helper()
	met := 0
	for _, s := range sections {
		switch {
		case omitted(s.Name, not):
			met++
		case hasSocket(s):
			rest = append(rest, s)
		}
	}
	if met < len(not) {
		t.Errorf("%d sections are left out; %d should be", met, len(not))
	}
	return rest
}

func omitted(section string, not []omission) bool {
	for _, o := range not {
		if strings.HasPrefix(section, o.section) {
			return true
		}
	}
	return false
}

func hasSocket(s transcript.Section) bool {
	for _, l := range s.Lines {
		if l.Dir == "open" {
			return true
		}
	}
	return false
}
