package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
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
	part := s.logger.With("component", "channels")
	for range 1000 {
		part.Warn("private channel not checked", "topic", strings.Repeat("\x00", 1<<20))
	}
	if got := log.Len(); got > 20_000 {
		t.Errorf("1,000 entries of 1 MiB log %d bytes; want 20,000 at most", got)
	}
}
