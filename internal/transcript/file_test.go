package transcript

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "01-test.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadKnowsTheVersionOfEachSocket(t *testing.T) {
	f := Read(t, write(t,
		`{"token":"<jwt:anon>","claims":{"role":"anon"},"signature":"(empty)"}`,
		`{"section":"one"}`,
		`{"t":0,"conn":"a","dir":"open","frame":{"url":"/socket/websocket?apikey=x&vsn=2.0.0"}}`,
		`{"t":0,"conn":"b","dir":"open","frame":{"url":"/socket/websocket?apikey=x"}}`,
		`{"t":10,"conn":"a","dir":">","frame":[null,"1","phoenix","heartbeat",{"n":1.50}]}`,
		`{"t":10,"conn":"b","dir":"<","frame":{"ref":null}}`,
		`{"section":"two"}`,
		`{"t":0,"conn":"a","dir":">","frame":[]}`))
	if len(f.Tokens) != 1 || f.Tokens[0].Name != "<jwt:anon>" || f.Tokens[0].Signature != "(empty)" {
		t.Errorf("Read gave tokens %+v; want the anon token", f.Tokens)
	}
	var got []string
	for _, s := range f.Sections {
		for _, l := range s.Lines {
			data, _, _ := l.Message()
			got = append(got, s.Name+" "+l.Conn+l.Dir+l.Vsn+" "+string(data))
		}
	}
	want := []string{
		"one aopen2.0.0 ", "one bopen1.0.0 ",
		`one a>2.0.0 [null,"1","phoenix","heartbeat",{"n":1.50}]`, `one b<1.0.0 {"ref":null}`,
		"two a> []",
	}
	if diff := cmp.Diff(want, got); diff != "" || f.Name != "01-test" {
		t.Errorf("Read of %q differs (-want +got):\n%s", f.Name, diff)
	}
}

func TestReadRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for name, lines := range map[string][]string{
		"no section":             {`{"token":"<jwt:anon>"}`},
		"a line before sections": {`{"t":0,"dir":">"}`, `{"section":"one"}`},
		"not JSON":               {`{"section":"one"}`, `{`},
	} {
		if _, err := read(write(t, lines...)); err == nil {
			t.Errorf("read of a file with %s = nil; want an error", name)
		}
	}
}

func TestMessageIsWhatWasOnTheWire(t *testing.T) {
	for _, c := range []struct {
		name, frame, want string
		binary, ok        bool
	}{
		{name: "text that is not JSON", frame: `{"text_raw":"[\u0000"}`, want: "[\x00", ok: true},
		{name: "text that is not UTF-8", frame: `{"text_frame_hex":"ff00"}`, want: "\xff\x00", ok: true},
		{name: "binary", frame: `{"binary_hex":"0041","decoded":null}`, want: "\x00A", binary: true, ok: true},
		{
			name: "binary with a placeholder", frame: `{"binary_hex":"22<hex of uuid-7>22","decoded":null}`,
			want: `"00000000-0000-4000-9000-000000000007"`, binary: true, ok: true,
		},
		{name: "binary that was too long", frame: `{"binary_hex":"00<elided: 9 bytes in all>","decoded":null}`, binary: true},
		{name: "fragments", frame: `{"fragments":["[1,","2]"]}`, want: "[1,2]", ok: true},
		{name: "text that was too long", frame: `{"elided":"text frame of 9 bytes","starts":"["}`},
		{name: "text with a value that was too long", frame: `["a<elided: 9 bytes in all>"]`, want: `["a<elided: 9 bytes in all>"]`},
		{name: "ping", frame: `{"ws_ping":""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, binary, ok := Line{Dir: ">", Frame: []byte(c.frame)}.Message()
			if string(got) != c.want || binary != c.binary || ok != c.ok {
				t.Errorf("Message of %s = %q, %t, %t; want %q, %t, %t", c.frame, got, binary, ok, c.want, c.binary, c.ok)
			}
		})
	}
}
