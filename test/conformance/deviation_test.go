package conformance

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

// deviation is a difference between a recording and walcast that is on purpose.
// Exactly one of drop, replace, instead, before and also says what is different.
type deviation struct {
	section string // of the file; … stands for any text
	conn    string // of the section, "" for each
	why     string // row of the table "Where walcast differs" in docs/protocol.md, or the reason
	line    string // part of the recorded frames concerned
	pushed  bool   // they are the client's: what also says comes though upstream says nothing

	drop    bool     // the frame does not come
	replace string   // part of the frame …
	by      string   // … in whose place this comes
	instead []string // frames that come in its place
	before  []string // frames that come before it
	last    []string // frames that come after all others of the section
	also    []string // frames that come after it, most of them in lanes of their own
}

// fits says whether the deviation concerns a line of a section.
func (d *deviation) fits(section string, l transcript.Line) bool {
	start, end, any := strings.Cut(d.section, "…")
	return d.pushed == (l.Dir == ">") && (section == d.section || any && strings.HasPrefix(section, start) && strings.HasSuffix(section, end)) &&
		(d.conn == "" || d.conn == l.Conn) && strings.Contains(string(l.Frame), d.line)
}

// apply returns what comes for a recorded frame here.
func (d *deviation) apply(frames []string) (out []string) {
	for _, f := range frames {
		switch {
		case d.drop:
		case d.replace != "":
			out = append(out, strings.Replace(f, d.replace, d.by, -1))
		case d.instead != nil:
			out = append(out, d.instead...)
		default:
			out = append(append(append(out, d.before...), f), d.also...)
		}
	}
	return out
}

// expected is what comes for a recorded line of a section. used notes which
// deviations were met.
func expected(deviations []deviation, section string, l transcript.Line, used func(int)) []string {
	frames := []string{described(withoutIDs(string(l.Frame)))}
	for i := range deviations {
		d := &deviations[i]
		if !d.fits(section, l) {
			continue
		}
		// A replacement that finds nothing was not met.
		if after := d.apply(frames); !slices.Equal(after, frames) || d.last != nil {
			frames = after
			used(i)
		}
	}
	return frames
}

var (
	trueID  = regexp.MustCompile(`"id":(\d{5,})`)
	trueIDs = regexp.MustCompile(`"ids":\[[\d,]+\]`)
	number  = regexp.MustCompile(`\d+`)
)

// withoutIDs puts placeholders in the place of binding ids, which are hashes
// here as there, but others.
func withoutIDs(frame string) string {
	frame = trueID.ReplaceAllString(frame, `"id":"<id-$1>"`)
	return trueIDs.ReplaceAllStringFunc(frame, func(ids string) string {
		return number.ReplaceAllString(ids, `"<id-$0>"`)
	})
}

func TestDeviationsApply(t *testing.T) {
	l := transcript.Line{Conn: "a", Frame: []byte(`{"n":1}`)}
	for _, c := range []struct {
		d    deviation
		want string
	}{
		{deviation{section: "one", drop: true}, ""},
		{deviation{section: "on…", line: `"n"`, replace: "1", by: "2"}, `{"n":2}`},
		{deviation{section: "one", conn: "a", instead: []string{"{}", "[]"}}, "{} []"},
		{deviation{section: "one", also: []string{"{}"}}, `{"n":1} {}`},
		{deviation{section: "two", drop: true}, `{"n":1}`},
		{deviation{section: "one", conn: "b", drop: true}, `{"n":1}`},
		{deviation{section: "one", line: "m", drop: true}, `{"n":1}`},
	} {
		if got := strings.Join(expected([]deviation{c.d}, "one", l, func(int) {}), " "); got != c.want {
			t.Errorf("expected with %+v = %s; want %s", c.d, got, c.want)
		}
	}
}
