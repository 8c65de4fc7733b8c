package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/protocol"
)

// writeCertificate makes a certificate for 127.0.0.1 with a serial number.
func writeCertificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"walcast.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestSessionsOverTLS(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), 1)
	r := start(t, func(c *Config) { c.TLSCert, c.TLSKey, c.QueueBytes = cert, key, 64<<20 })
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, _, err := dialer.Dial(strings.Replace(r.url(t), "ws://", "wss://", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "open", func() bool { return r.hub.size() == 1 })
	var want []string
	for i := range 300 {
		f := protocol.V2.Push("", "", "realtime:x", "e", []byte(`"`+strings.Repeat("x", i*i)+`"`))
		want = append(want, string(f.Payload()))
		r.hub.say(f)
	}
	large := protocol.V2.PushShared("", "", "realtime:x", "e", []byte(`"`+strings.Repeat("y", 4*writeBytes)+`"`))
	want = append(want, string(large.Payload()))
	r.hub.say(large)
	for _, w := range want {
		wantText(t, conn, w)
	}
	r.stop()
	wantClose(t, conn, 1012, "server is stopping")
}

func TestRenewedCertificateIsPickedUp(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	var log bytes.Buffer
	c, err := loadCertificate(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	want := func(serial int64) {
		t.Helper()
		got, err := c.get(nil)
		if err != nil || got.Leaf.SerialNumber.Int64() != serial {
			t.Errorf("certificate %v, %v; want number %d", got.Leaf.SerialNumber, err, serial)
		}
	}
	later := func(d time.Duration) {
		for _, name := range []string{cert, key} {
			if err := os.Chtimes(name, time.Time{}, time.Now().Add(d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	want(1)
	writeCertificate(t, dir, 2)
	later(time.Minute)
	want(1) // looked at a moment ago
	c.checked = time.Time{}
	want(2)
	if err := os.WriteFile(key, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	later(2 * time.Minute)
	c.checked = time.Time{}
	want(2) // the old one stays
	if !strings.Contains(log.String(), "tls certificate not renewed") {
		t.Errorf("log says nothing of a certificate that cannot be read: %s", log.String())
	}
}

func TestBadCertificateIsAnErrorAtStart(t *testing.T) {
	_, err := loadCertificate("/nonexistent.pem", "/nonexistent.key", slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "tls-cert, tls-key: ") {
		t.Errorf("loadCertificate = %v, want an error that names the settings", err)
	}
}
