package conformance

import (
	"cmp"
	"strings"
	"sync"
	"testing"

	"walcast/internal/transcript"
	"walcast/server"
)

// files are the recordings that are played here.
var files = []struct {
	name       string
	folder     string // below testdata; "" for the recordings of the reference
	deviations []deviation
	notPlayed  []omission
	inTime     string // part of the names of sections where time matters
	causal     bool   // see causesFirst
	only       string // how the names of the sections begin that are played; "" for all
	settings   func(*server.Config)
}{
	{name: "01-connect", deviations: connectDeviations, notPlayed: connectOmissions},
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
	{name: "12c-limit-channels", only: "max_channels", settings: func(c *server.Config) { c.Channels.MaxChannels = 3 }},
	{name: "12c-limit-channels", only: "max_concurrent", causal: true, settings: func(c *server.Config) { c.Gateway.MaxSessions = 3 + observers }},
	{name: "12e-server-stop", deviations: stopDeviations},
	{name: "clients", folder: "clients"},
	{name: "13-http", deviations: httpDeviations, notPlayed: httpOmissions},
}

// omission is a section that is not played, and why.
type omission struct{ section, why string }

func TestRecordedConversations(t *testing.T) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			recording := transcript.Read(t, "../../testdata/"+cmp.Or(f.folder, "transcripts")+"/"+f.name+".jsonl")
			stage := open(t, f.settings)
			var mu sync.Mutex
			used := map[int]bool{}
			schedule(t, played(t, recording.Sections, f.only, f.notPlayed), func(t *testing.T, s transcript.Section) {
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

// played leaves out omissions, each of which must name a section. Handshakes
// that are refused are played in gateway, where each has an address of its own.
func played(t *testing.T, sections []transcript.Section, only string, not []omission) (rest []transcript.Section) {
	t.Helper()
	met := 0
	for _, s := range sections {
		switch {
		case !strings.HasPrefix(s.Name, only):
		case omitted(s.Name, not):
			met++
		case hasConversation(s):
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

func hasConversation(s transcript.Section) bool {
	for _, l := range s.Lines {
		if l.Dir == "open" || l.Dir == "http" && !strings.Contains(string(l.Frame), "/socket/websocket") {
			return true
		}
	}
	return false
}
