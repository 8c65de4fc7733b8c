package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

func TestNotifySpeaksToSystemd(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	t.Setenv("NOTIFY_SOCKET", "")
	notify(daemon.SdNotifyReady, logger)
	if log.Len() > 0 {
		t.Errorf("without systemd it logs %s", &log)
	}
	path := filepath.Join(t.TempDir(), "notify")
	t.Setenv("NOTIFY_SOCKET", path)
	notify(daemon.SdNotifyReady, logger)
	if !strings.Contains(log.String(), "systemd not told") {
		t.Errorf("with nobody at the socket it logs %q; want a warning", &log)
	}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	notify(daemon.SdNotifyReady, logger)
	got := make([]byte, 100)
	n, err := socket.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("systemd hears %q, %v; want READY=1", got[:n], err)
	}
}

// TestSystemdIsToldWhatAStandbyDoes and does not end it for starting too slowly.
func TestSystemdIsToldWhatAStandbyDoes(t *testing.T) {
	cleared(t)
	path := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, flags := served(t)
	first := startProcess(t, path, flags...)
	first.address(t, ctx)
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	second := startProcess(t, path, flags...)
	hears := func(want string) {
		t.Helper()
		got := make([]byte, 200)
		_ = socket.SetReadDeadline(time.Now().Add(time.Minute)) // fails only on a closed socket
		n, err := socket.Read(got)
		if err != nil || string(got[:n]) != want {
			t.Errorf("systemd hears %q, %v; want %q", got[:n], err, want)
		}
	}
	hears("READY=1\nSTATUS=Standing by: another process has the slot")
	if out := second.out.String(); out != "" {
		t.Errorf("a standby prints %q; want the ready line once it serves", out)
	}
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hears("STATUS=Reading the slot, serving clients")
	second.address(t, ctx)
	hears("READY=1")
	if err := second.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hears("STOPPING=1")
	if code := second.exit(t, ctx); code != 0 {
		t.Errorf("exit code %d; want 0", code)
	}
}
