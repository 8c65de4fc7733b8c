package main

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

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
