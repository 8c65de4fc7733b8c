package program

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports below those that systems give to connections, and to listeners that ask for any:
// nobody gets one of these by chance between a look at it and its use.
const firstPort, portsMost = 12_000, 18_000

// FreeAddress returns an address of this machine at which nobody listens, host:port.
func FreeAddress() (string, error) {
	var errs []error
	for range 20 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(portsMost)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("find a free port: %w", errors.Join(errs...))
}
