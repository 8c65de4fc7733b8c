package channels

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"walcast/channels/resume"
	"walcast/replication/changelog"
)

// TestClientsAreAnnouncedInBatchesAgainAfterAFailureAndAtTheEnd: the clock is that of
// the test.
func TestClientsAreAnnouncedInBatchesAgainAfterAFailureAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients := resume.NewClients(resume.Config{Limit: 10_000, Memory: time.Hour}, func() string { return changelog.CodeSlotMissing }, nil)
		p := Peers{clients, slog.New(slog.DiscardHandler)}
		come := func(from, to int) {
			for i := from; i < to; i++ {
				clients.Take(resume.Key{Client: fmt.Sprint(i)}, resume.Fingerprint{}, resume.Found{}, now())
			}
		}
		pass := func(d time.Duration) { <-time.After(d) }
		began := time.Now()
		var written []string
		var broken atomic.Bool
		write := func(_ context.Context, clients []uint64) error {
			note := fmt.Sprintf("%d after %v", len(clients), time.Since(began))
			if broken.Load() {
				note += " in vain"
			}
			written = append(written, note)
			if broken.Load() {
				return errors.New("Postgres is away")
			}
			return nil
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := p.Announce(ctx, write); err != nil {
				t.Error(err)
			}
		}()
		come(0, 1500)
		pass(time.Second) // there is nobody yet
		p.Found("b", true, now().Add(time.Hour))
		pass(time.Second)
		come(1500, 1501)
		synctest.Wait()
		broken.Store(true)
		come(1501, 1502)
		pass(time.Second)
		broken.Store(false)
		pass(9 * time.Second)
		come(1502, 1503)
		synctest.Wait()
		come(1503, 1505)
		stop()
		<-ended
		want := []string{
			"1000 after 1s", "500 after 1.1s", "1 after 2s", "1 after 2.1s in vain", "1000 after 7.1s", "502 after 7.2s",
			"1 after 12s", "2 after 12s",
		}
		if !slices.Equal(written, want) {
			t.Errorf("announced %q; want %q", written, want)
		}
	})
}
