package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often the files are looked at, at most.
const certificateCheck = 10 * time.Second

// certificate is a TLS certificate in two files, which are read again when they
// change: renewals need no restart.
type certificate struct {
	cert, key string
	logger    *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	written time.Time // of the newer file, when current was read
	checked time.Time
}

func loadCertificate(cert, key string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, logger: logger}
	written, err := c.modified()
	if err != nil {
		return nil, fmt.Errorf("tls-cert, tls-key: %w", err)
	}
	if err := c.load(written); err != nil {
		return nil, fmt.Errorf("tls-cert, tls-key: %w", err)
	}
	return c, nil
}

func (c *certificate) load(written time.Time) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.current, c.written = &pair, written
	return nil
}

func (c *certificate) modified() (time.Time, error) {
	var newest time.Time
	for _, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return time.Time{}, err
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, nil
}

// get returns the certificate for a handshake. A pair that cannot be read, as
// in the moment between writing the one file and the other, leaves the old one.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		c.refresh()
	}
	return c.current, nil
}

func (c *certificate) refresh() {
	written, err := c.modified()
	if err == nil && written.Equal(c.written) {
		return
	}
	if err == nil {
		err = c.load(written)
	}
	if err != nil {
		c.logger.Warn("tls certificate not renewed", "err", err)
		return
	}
	c.logger.Info("tls certificate renewed", "cert", c.cert)
}

// listen speaks HTTP/1.1 only: WebSocket over HTTP/2 is not served.
func (c *certificate) listen(ln net.Listener) net.Listener {
	return tls.NewListener(ln, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.get,
	})
}
