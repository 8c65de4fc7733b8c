package quiet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// newLog returns a quiet handler and what it writes, without times.
func newLog() (slog.Handler, *bytes.Buffer) {
	var out bytes.Buffer
	return New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), &out
}

func write(t *testing.T, h slog.Handler, at time.Time, level slog.Level, message string, attrs ...slog.Attr) {
	t.Helper()
	r := slog.NewRecord(at, level, message, 0)
	r.AddAttrs(attrs...)
	if err := h.Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

func TestAFloodOfOneKindIsThinnedAndOthersAreNot(t *testing.T) {
	h, out := newLog()
	channels := h.WithAttrs([]slog.Attr{slog.String("component", "channels")})
	start := time.Unix(1_800_000_000, 0)
	for i := range 1000 {
		at := start.Add(time.Duration(i) * 10 * time.Millisecond) // for ten seconds
		write(t, channels, at, slog.LevelWarn, "refused", slog.Int("n", i))
	}
	write(t, h, start, slog.LevelWarn, "refused") // of another component
	write(t, channels, start, slog.LevelWarn, "something else")
	write(t, channels, start, slog.LevelError, "refused")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if got := strings.Count(out.String(), "component=channels n="); got != 19 {
		t.Errorf("%d entries of the flood; want the first 10 and one for each second after", got)
	}
	if want := `level=WARN msg=refused component=channels n=9`; lines[9] != want {
		t.Errorf("entry 10 is %s; want %s", lines[9], want)
	}
	if want := `level=WARN msg=refused component=channels n=100 left_out=90`; lines[10] != want {
		t.Errorf("entry 11 is %s; want %s", lines[10], want)
	}
	if got := len(lines); got != 22 {
		t.Errorf("%d entries; want the three of other kinds too:\n%s", got, out)
	}
}

func TestErrorsAreNeverLeftOutForLong(t *testing.T) {
	h, out := newLog()
	start := time.Unix(1_800_000_000, 0)
	for i := range 40 {
		write(t, h, start.Add(time.Duration(i)*250*time.Millisecond), slog.LevelError, "broken", slog.Int("n", i))
	}
	for second := range 10 {
		passed := false
		for n := 4 * second; n < 4*second+4; n++ {
			passed = passed || strings.Contains(out.String(), fmt.Sprintf(" n=%d ", n)) || strings.Contains(out.String(), fmt.Sprintf(" n=%d\n", n))
		}
		if !passed {
			t.Errorf("no error of second %d is logged:\n%s", second, out)
		}
	}
}

type named struct{}

func (named) LogValue() slog.Value { return slog.StringValue(strings.Repeat("v", 300)) }

func TestValuesAreCut(t *testing.T) {
	long := strings.Repeat("ü", 1<<20)
	for name, attr := range map[string]slog.Attr{
		"a string":       slog.String("k", long),
		"a NUL":          slog.String("k", strings.Repeat("\x00", 1<<20)),
		"an error":       slog.Any("k", errors.New(long)),
		"a list":         slog.Any("k", []string{long, long}),
		"what logs":      slog.Any("k", named{}),
		"within a group": slog.Group("g", slog.String("k", long)),
	} {
		h, out := newLog()
		write(t, h, time.Now(), slog.LevelWarn, "m", attr)
		write(t, h.WithGroup("g").WithAttrs([]slog.Attr{attr}), time.Now(), slog.LevelWarn, "m")
		if got := out.String(); len(got) > 2500 || !utf8.ValidString(got) || !strings.Contains(got, " bytes)") {
			t.Errorf("%s: an entry of %d bytes; want it cut between characters, with its length: %.300q", name, len(got), got)
		}
	}
	h, out := newLog()
	write(t, h, time.Now(), slog.LevelWarn, "m", slog.Any("list", []string{"a", "b"}), slog.Duration("took", time.Second), slog.String("remedy", strings.Repeat("x", 300)), slog.String("cure", strings.Repeat("y", 300)), slog.String("fix", strings.Repeat("z", 300)))
	if got := out.String(); !strings.Contains(got, `list="[a b]" took=1s remedy=`+strings.Repeat("x", 300)+" cure="+strings.Repeat("y", 300)+" fix="+strings.Repeat("z", 300)) {
		t.Errorf("log %s; want short values, and SQL, as they are", got)
	}
}

func TestSecretsAreTakenOut(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"
	for _, value := range []any{
		&url.Error{Op: "Get", URL: "https://keys.example/jwks?apikey=SECRET", Err: errors.New("refused")},
		"postgres://app:SECRET@host/db", "postgres://app:p@SECRET@host/db?sslpassword=SECRET",
		"cannot read postgres://app:p/SECRET@host", "wss://host/socket?apikey=" + jwt, "token " + jwt + " refused",
	} {
		h, out := newLog()
		write(t, h, time.Now(), slog.LevelWarn, "m", slog.Any("err", value))
		if got := out.String(); strings.Contains(got, "SECRET") || strings.Contains(got, "c2lnbmF0dXJl") {
			t.Errorf("log %s; want no secret", got)
		}
	}
	h, out := newLog()
	write(t, h, time.Now(), slog.LevelWarn, "m", slog.Any("err", errors.New("Get https://keys.example/jwks: user@example refused, why?")))
	if got := out.String(); !strings.Contains(got, "https://keys.example/jwks: user@example refused, why?") {
		t.Errorf("log %s; want what is no secret as it is", got)
	}
}
