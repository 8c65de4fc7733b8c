//go:build !linux

package gateway

import (
	"net"
	"time"
)

// setUserTimeout leaves it to the system when to give a silent client up.
func setUserTimeout(net.Conn, time.Duration) {}

// boundUnsent leaves it to the system how much it takes for a client that does not read.
func boundUnsent(net.Conn) {}
