package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walcast/internal/await"
)

// authority signs certificates of nodes.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	path string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key, a.path, _ = a.make(name, true)
	return a
}

// node is the TLS of a node that the authority has signed.
func (a *authority) node(name string) TLS {
	_, _, cert, key := a.make(name, false)
	return TLS{Cert: cert, Key: key, CA: a.path}
}

func (a *authority) make(name string, isCA bool) (cert *x509.Certificate, key *ecdsa.PrivateKey, certPath, keyPath string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: isCA, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := a.cert, a.key
	if isCA {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	write := func(kind string, der []byte) string {
		path := filepath.Join(dir, kind)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	return cert, key, write("CERTIFICATE", der), write("PRIVATE KEY", private)
}

func TestNodesWithTLS(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	first, log := freeAddress(t), await.NewOutput()
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret, TLS: ours.node("a")}, "a", log)
	b, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret, TLS: ours.node("b")}, "b", log)
	awaitNodes(t, a, "a", "b")
	awaitNodes(t, b, "a", "b")
	strange := await.NewOutput()
	c, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret, TLS: others.node("c")}, "c", strange)
	d, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret}, "d", io.Discard)
	await.True(t, patience, "the refusal of another authority", func() bool { return strings.Contains(strange.String(), "certificate") })
	await.True(t, patience, "the refusal of a node without TLS", func() bool { return strings.Contains(log.String(), "does not look like a TLS handshake") })
	awaitNodes(t, c, "c")
	awaitNodes(t, d, "d")
	awaitNodes(t, a, "a", "b")
}
