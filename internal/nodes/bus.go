package nodes

import (
	"context"
	"fmt"
	"sync"
)

// Bus is all that is needed of the bus of the cluster. Messages of one node come in
// their order, whatever their subjects, if they come.
type Bus interface {
	// Run calls ready once there is a bus, and sends until ctx is done, and then what
	// waits still.
	Run(ctx context.Context, ready func())
	// Send never waits. After an error the message is not sent.
	Send(subject string, data []byte) error
	Connected() bool
	// Listen has messages of a subject come, until stop is called.
	Listen(subject string) (stop func(), err error)
	// Each calls take with each message until ctx is done. Errors of take say that a
	// message cannot be read.
	Each(ctx context.Context, take func(message []byte) error)
}

// Run runs a bus until ctx is done. Once there is one it listens to the subjects and calls
// receive and tend, which return when their context is done, and bye at the end, when it
// still sends and receives. Run blocks until everything that it started has returned.
func Run(ctx context.Context, bus Bus, subjects []string, receive, tend func(context.Context), bye func()) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx)) // to the very last message
	var parts sync.WaitGroup
	defer parts.Wait()
	defer stop()
	ready := make(chan struct{})
	parts.Go(func() { bus.Run(sending, func() { close(ready) }) })
	select {
	case <-ctx.Done():
		return nil
	case <-ready:
	}
	for _, subject := range subjects {
		if _, err := bus.Listen(subject); err != nil {
			return fmt.Errorf("listen to other nodes: %w", err)
		}
	}
	parts.Go(func() { receive(sending) })
	tend(ctx)
	bye()
	return nil
}
