package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Matcher compares recorded JSON with other JSON. A placeholder stands for any
// value, but for the same one throughout.
type Matcher struct {
	values map[string]string // what each placeholder stands for, as JSON
}

// NewMatcher makes a matcher that has seen no placeholder yet.
func NewMatcher() *Matcher { return &Matcher{values: map[string]string{}} }

// shortened is a long string of which the recording has both ends and the size
// in bytes.
var shortened = regexp.MustCompile(`(?s)^(.*)<elided: (\d+) bytes in all>(.*)$`)

var placeholder = regexp.MustCompile(`<(?:id|ts|phx_ref|uuid)-\d+>|<now>|<secs>|<encrypted>`)

// Match says where got differs from the recorded value. The order of keys does
// not count, nor does the spelling of numbers and strings.
func (m *Matcher) Match(recorded, got json.RawMessage) error {
	want, err := decode(recorded)
	if err != nil {
		return fmt.Errorf("recorded %.200s: %w", recorded, err)
	}
	have, err := decode(got)
	if err != nil {
		return fmt.Errorf("got %.200s: %w", got, err)
	}
	return m.match("", want, have)
}

func decode(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

func (m *Matcher) match(at string, want, got any) error {
	switch want := want.(type) {
	case string:
		return m.matchString(at, want, got)
	case json.Number:
		if g, ok := got.(json.Number); ok && equalNumbers(want, g) {
			return nil
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(want) {
			for i := range want {
				if err := m.match(fmt.Sprintf("%s[%d]", at, i), want[i], g[i]); err != nil {
					return err
				}
			}
			return nil
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return m.matchObject(at, want, g)
		}
	default: // null and booleans
		if want == got {
			return nil
		}
	}
	return mismatch(at, want, got)
}

func (m *Matcher) matchString(at, want string, got any) error {
	if placeholder.FindString(want) == want && want != "" {
		return m.bind(at, want, got)
	}
	g, ok := got.(string)
	if !ok {
		return mismatch(at, want, got)
	}
	if m := shortened.FindStringSubmatch(want); m != nil {
		if size, _ := strconv.Atoi(m[2]); len(g) != size || !strings.HasPrefix(g, m[1]) || !strings.HasSuffix(g, m[3]) {
			return mismatch(at, want, got)
		}
		return nil
	}
	var pattern strings.Builder
	rest := 0
	found := placeholder.FindAllStringIndex(want, -1)
	for _, span := range found {
		pattern.WriteString(regexp.QuoteMeta(want[rest:span[0]]) + "(.+?)")
		rest = span[1]
	}
	pattern.WriteString(regexp.QuoteMeta(want[rest:]))
	parts := regexp.MustCompile(`(?s)^` + pattern.String() + `$`).FindStringSubmatch(g)
	if parts == nil {
		return mismatch(at, want, got)
	}
	for i, span := range found {
		if err := m.bind(at, want[span[0]:span[1]], parts[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// bind holds a placeholder to its value. Those without a number are different
// each time.
func (m *Matcher) bind(at, name string, got any) error {
	text, err := json.Marshal(got)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if !strings.Contains(name, "-") {
		return nil
	}
	if before, ok := m.values[name]; ok && before != string(text) {
		return fmt.Errorf("%s: %s stands for %s elsewhere, got %s", at, name, before, text)
	}
	m.values[name] = string(text)
	return nil
}

func (m *Matcher) matchObject(at string, want, got map[string]any) error {
	left := maps.Clone(got)
	var unknown []string // keys that are placeholders without a value yet
	for _, key := range slices.Sorted(maps.Keys(want)) {
		name := key
		if placeholder.MatchString(key) {
			if name = m.known(key); name == "" {
				unknown = append(unknown, key)
				continue
			}
		}
		g, ok := left[name]
		if !ok {
			return fmt.Errorf("%s: %q is missing", at, name)
		}
		delete(left, name)
		if err := m.match(at+"."+name, want[key], g); err != nil {
			return err
		}
	}
	for _, key := range unknown {
		if err := m.matchAny(at, key, want[key], left); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		return fmt.Errorf("%s: %q was not recorded", at, name)
	}
	return nil
}

// known is the value of a key that is a placeholder, "" if it has none yet.
func (m *Matcher) known(key string) (name string) {
	_ = json.Unmarshal([]byte(m.values[key]), &name)
	return name
}

// matchAny finds the entry that a placeholder as a key stands for.
func (m *Matcher) matchAny(at, key string, want any, left map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(left)) {
		attempt := &Matcher{values: maps.Clone(m.values)}
		if attempt.bind(at, key, name) == nil && attempt.match(at+"."+name, want, left[name]) == nil {
			m.values = attempt.values
			delete(left, name)
			return nil
		}
	}
	return fmt.Errorf("%s: nothing fits %q", at, key)
}

func equalNumbers(a, b json.Number) bool {
	x, okX := new(big.Rat).SetString(a.String())
	y, okY := new(big.Rat).SetString(b.String())
	return a == b || okX && okY && x.Cmp(y) == 0
}

func mismatch(at string, want, got any) error {
	w, _ := json.Marshal(want)
	g, _ := json.Marshal(got)
	return fmt.Errorf("%s: recorded %.300s, got %.300s", at, w, g)
}
