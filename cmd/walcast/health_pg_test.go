package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/internal/await"
	"walcast/test/program"
)

func TestHealthSaysWhetherTheServerIsReady(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, flags := served(t)
	address, end := startServe(t, ctx, flags)
	if code, out, errOut := command(t, "health", "--url=http://"+address+"/"); code != 0 || out != "ready (reader)\n" {
		t.Errorf("health exits %d and says %q %q; want 0", code, out, errOut)
	}
	_, port, _ := strings.Cut(address, ":")
	t.Setenv("PORT", port)
	if code, _, errOut := command(t, "health"); code != 0 {
		t.Errorf("health at PORT exits %d and says %q; want 0", code, errOut)
	}
	second, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	standing, stop := context.WithCancel(ctx)
	ended := make(chan int, 1)
	go func() {
		ended <- run(standing, append(slices.Clone(flags), "--listen="+second), terminal{out: io.Discard, err: io.Discard})
	}()
	await.True(t, time.Minute, "health of a standby says so", func() bool {
		code, _, errOut := command(t, "health", "--url=http://"+second)
		return code == exitFailed && strings.Contains(errOut, "not ready (standby): standing by: the slot is another process's")
	})
	stop()
	<-ended
	end()
	if code, _, errOut := command(t, "health"); code != exitFailed || !strings.Contains(errOut, "connection refused") {
		t.Errorf("health of nobody exits %d and says %q; want %d and why", code, errOut, exitFailed)
	}
}
