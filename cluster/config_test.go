package cluster

import (
	"strings"
	"testing"
	"time"
)

const testSecret = "the-secret-of-the-cluster"

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		config Config
		want   string // "" is no error
	}{
		{"none", Config{}, ""},
		{"listens", Config{Listen: ":6222", Secret: testSecret}, ""},
		{"has peers", Config{Listen: ":6222", Peers: []string{"a:6222", "10.0.0.1:1"}, Secret: testSecret}, ""},
		{"NATS", Config{NATSURL: "nats://h:4222", NATSCredentialsFile: "c"}, ""},
		{"both", Config{Listen: ":6222", Secret: testSecret, NATSURL: "nats://u:password@h"}, "nats-url: set together with cluster-listen"},
		{"peers beside NATS", Config{NATSURL: "nats://h", Peers: []string{"a:1"}}, "nats-url: set together with cluster-peers"},
		{"no secret", Config{Listen: ":6222"}, "cluster-secret: not set"},
		{"peers without a secret", Config{Peers: []string{"a:1"}}, "cluster-secret: not set"},
		{"peers alone", Config{Peers: []string{"a:1"}, Secret: testSecret}, "cluster-peers: want cluster-listen too"},
		{"short secret", Config{Listen: ":6222", Secret: "hunter2"}, "cluster-secret: want 16 characters or more, got 7"},
		{"idle secret", Config{Secret: testSecret}, "cluster-secret: set without cluster-listen"},
		{"no address", Config{Listen: "6222", Secret: testSecret}, `cluster-listen: want host:port or :port, got "6222"`},
		{"no port of a peer", Config{Listen: ":6222", Peers: []string{"a"}, Secret: testSecret}, `cluster-peers: want host:port, got "a"`},
		{"half of TLS", Config{Listen: ":6222", Secret: testSecret, TLS: TLS{Cert: "c"}}, "cluster-tls-cert: want cluster-tls-cert, cluster-tls-key and cluster-tls-ca"},
		{"idle TLS", Config{NATSURL: "nats://h", TLS: TLS{"c", "k", "a"}}, "cluster-tls-cert: set without cluster-listen"},
		{"idle credentials", Config{NATSCredentialsFile: "c"}, "nats-credentials-file: set without nats-url"},
		{"name", Config{Name: "a.b"}, `cluster-name: want 1 to 64 of letters, digits, - and _, got "a.b"`},
		{"lag", Config{ReadyLag: time.Millisecond}, "ready-lag: want at least 1s, got 1ms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.config.ReadyLag == 0 {
				test.config.ReadyLag = 5 * time.Second
			}
			err := test.config.Validate()
			switch {
			case test.want == "" && err != nil:
				t.Errorf("Validate() = %v; want no error", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("Validate() = %v; want %q", err, test.want)
			case err != nil && (strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "password@")):
				t.Errorf("Validate() = %v, which tells a secret", err)
			}
		})
	}
}
