package gateway

import (
	"strings"
	"testing"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("Validate() = %v, want nil", err)
	}
}

func TestValidateNamesEveryBadField(t *testing.T) {
	c := Config{
		QueueBytes: 1, MaxFrame: 1,
		Timeouts: Timeouts{IdleTimeout: 1, PingInterval: 2},
		Limits:   Limits{MaxSessions: -1, MaxSessionsPerAddress: -1, MessagesPerSecond: -1, BytesPerSecond: -1},
		Access:   Access{TLSCert: "cert.pem", Origins: []string{"app.example"}},
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("Validate() = nil, want errors")
	}
	for _, name := range []string{
		"queue-size", "max-message-size", "idle-timeout", "ping-interval", "write-timeout", "CloseTimeout",
		"HeaderTimeout", "drain-timeout", "max-sessions", "max-sessions-per-address", "messages-per-second",
		"bytes-per-second", "origins", "tls-cert, tls-key",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+name+": want ") {
			t.Errorf("Validate() does not name %s in:\n%v", name, err)
		}
	}
}

func TestValidOrigin(t *testing.T) {
	for origin, want := range map[string]bool{
		"https://app.example": true, "http://localhost:3000": true, "https://*.example.com": true,
		"capacitor://localhost": true, "app.example": false, "https://": false, "https://a/b": false,
		"https://*example.com": false, "https://a.*": false, "": false, "https://*.": false,
	} {
		if got := validOrigin(origin); got != want {
			t.Errorf("validOrigin(%q) = %t, want %t", origin, got, want)
		}
	}
}
