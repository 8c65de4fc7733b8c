package monitoring

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/util/teststorage"
)

// prometheus is a Prometheus that has scraped for a quarter of an hour.
type prometheus struct {
	engine  *promql.Engine
	storage *teststorage.TestStorage
}

const (
	scraped  = 16 * time.Minute
	interval = 15 * time.Second
)

// sample is a line of the text format, as walcast writes it. In place of a value "0+9" is one
// that grows by 9 with each scrape.
var sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (\S+)$`)

// label is one of a sample, whose value has no quote in it.
var label = regexp.MustCompile(`(\w+)="([^"]*)"`)

// measured has the samples of a text scraped again and again.
func measured(t *testing.T, text string) *prometheus {
	t.Helper()
	p := &prometheus{promqltest.NewTestEngine(t, false, 0, 1_000_000), teststorage.New(t)}
	appender := p.storage.Appender(t.Context())
	for line := range strings.Lines(text) {
		parts := sample.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if parts == nil {
			continue // a comment
		}
		of := labels.NewBuilder(labels.FromStrings("__name__", parts[1], "job", "walcast", "instance", "one:4000"))
		for _, l := range label.FindAllStringSubmatch(parts[2], -1) {
			of.Set(l[1], l[2])
		}
		base, step, _ := strings.Cut(parts[3], "+")
		if strings.HasPrefix(parts[3], "+") || strings.Contains(parts[3], "e+") {
			base, step = parts[3], ""
		}
		value, growth := number(t, base), 0.0
		if step != "" {
			growth = number(t, step)
		}
		for at := time.Duration(0); at <= scraped; at += interval {
			if _, err := appender.Append(0, of.Labels(), at.Milliseconds(), value); err != nil {
				t.Fatal(err)
			}
			value += growth
		}
	}
	if err := appender.Commit(); err != nil {
		t.Fatal(err)
	}
	return p
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ask returns what a query finds at the end.
func (p *prometheus) ask(t *testing.T, query string) promql.Vector {
	t.Helper()
	q, err := p.engine.NewInstantQuery(t.Context(), p.storage, nil, query, time.Unix(0, 0).Add(scraped))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer q.Close()
	result := q.Exec(t.Context())
	if result.Err != nil {
		t.Fatalf("%s: %v", query, result.Err)
	}
	vector, err := result.Vector()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return vector
}

func read(t *testing.T, body io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
