package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestNobodyFloodsTheLogOfAServer(t *testing.T) {
	var log bytes.Buffer
	c := goodConfig()
	c.Listen = "127.0.0.1:0"
	s, err := New(c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	part := s.logger.With("component", "channels")
	for range 1000 {
		part.Warn("private channel not checked", "topic", strings.Repeat("\x00", 1<<20))
	}
	took := time.Since(began) // in each second one more may pass
	if got, want := log.Len(), 20_000+1_000*int(took.Seconds()); got > want {
		t.Errorf("1,000 entries of 1 MiB in %s log %d bytes; want %d at most", took, got, want)
	}
}
