package transcript

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// File is one recorded file.
type File struct {
	Name     string // "02-join"
	Tokens   []Token
	Sections []Section
}

// Token describes a JWT that the lines name by a placeholder.
type Token struct {
	Name       string          `json:"token"` // "<jwt:anon>"
	Header     json.RawMessage `json:"header"`
	Claims     json.RawMessage `json:"claims"` // "now+3600" is relative to when it is made
	SignedWith string          `json:"signed_with"`
	Signature  string          `json:"signature"` // instead of a computed one
}

// Section is an independent scene with its own sockets.
type Section struct {
	Name  string
	Lines []Line
}

// Read reads a file. It fails the test when there is nothing in it.
func Read(t testing.TB, path string) File {
	t.Helper()
	f, err := read(path)
	if err != nil {
		t.Fatalf("read transcript %s: %v", path, err)
	}
	return f
}

// ReadAll reads the files that match a pattern, in alphabetical order. None is
// a failure.
func ReadAll(t testing.TB, pattern string) []File {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("transcript.ReadAll(%q) found %d files, error %v; want at least one", pattern, len(paths), err)
	}
	files := make([]File, len(paths))
	for i, path := range paths {
		files[i] = Read(t, path)
	}
	return files
}

func read(path string) (File, error) {
	source, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer source.Close()
	base := filepath.Base(path)
	f := File{Name: base[:len(base)-len(filepath.Ext(base))]}
	lines := bufio.NewScanner(source)
	lines.Buffer(nil, 4<<20)
	versions := map[string]string{}
	for lines.Scan() {
		if err := f.add(lines.Bytes(), versions); err != nil {
			return f, fmt.Errorf("line %.200s: %w", lines.Text(), err)
		}
	}
	if len(f.Sections) == 0 && lines.Err() == nil {
		return f, fmt.Errorf("no section in it")
	}
	return f, lines.Err()
}

// add reads one line. versions has the vsn of the section's sockets.
func (f *File) add(text []byte, versions map[string]string) error {
	var kind struct{ Token, Section *string }
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	switch {
	case kind.Token != nil:
		f.Tokens = append(f.Tokens, Token{})
		return json.Unmarshal(text, &f.Tokens[len(f.Tokens)-1])
	case kind.Section != nil:
		f.Sections = append(f.Sections, Section{Name: *kind.Section})
		clear(versions)
		return nil
	case len(f.Sections) == 0:
		return fmt.Errorf("comes before the first section")
	}
	var l Line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	if l.Dir == "open" {
		versions[l.Conn] = l.vsn()
	}
	l.Vsn = versions[l.Conn]
	s := &f.Sections[len(f.Sections)-1]
	s.Lines = append(s.Lines, l)
	return nil
}

// vsn is the version that a handshake asks for.
func (l Line) vsn() string {
	var handshake struct{ URL string }
	if json.Unmarshal(l.Frame, &handshake) != nil {
		return ""
	}
	_, query, _ := strings.Cut(handshake.URL, "?")
	values, _ := url.ParseQuery(query) // what is odd is left out
	if !values.Has("vsn") {
		return "1.0.0"
	}
	return values.Get("vsn")
}
