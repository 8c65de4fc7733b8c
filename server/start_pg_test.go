package server

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestABadCertificateEndsTheStartWithASentence and with no panic: the files are read
// when the connections to Postgres are open already.
func TestABadCertificateEndsTheStartWithASentence(t *testing.T) {
	err := startWithBadCertificate(t, configFor(appDatabase(t)))
	if err == nil || !strings.Contains(err.Error(), "tls-cert, tls-key: ") {
		t.Errorf("the start ended with %v; want what is wrong with the certificate", err)
	}
}

// startWithBadCertificate returns the error that a start ends with.
func startWithBadCertificate(t *testing.T, c Config) error {
	t.Helper()
	c.Gateway.TLSCert, c.Gateway.TLSKey = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for _, name := range []string{c.Gateway.TLSCert, c.Gateway.TLSKey} {
		if err := os.WriteFile(name, []byte("no certificate"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return s.Run(ctx)
}
