package replication

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestSocketReaderTellsWhenNothingIsAtHand(t *testing.T) {
	sr := newSocketReader()
	var passed int
	sr.drained = func() { passed++ }
	first, second := backendMessage('d', make([]byte, 3*8192-5)), backendMessage('Z', make([]byte, 5))
	sr.source = io.MultiReader(bytes.NewReader(first), bytes.NewReader(second))
	p := make([]byte, 8192)
	for read := 0; read < 3*8192; {
		n, err := sr.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
	if passed != 1 {
		t.Errorf("told %d times that nothing is at hand for one read of the source; want 1", passed)
	}
	if n, err := sr.Read(p); n != 10 || err != nil || passed != 2 {
		t.Errorf("Read = %d, %v, told %d times; want 10 and 2", n, err, passed)
	}
	if _, err := sr.Read(p); !errors.Is(err, io.EOF) {
		t.Errorf("Read at the end = %v; want EOF", err)
	}
}

func TestSocketReaderDeliversWhatCameWithAnError(t *testing.T) {
	sr := newSocketReader()
	sr.source = iotest.DataErrReader(bytes.NewReader([]byte("abc")))
	got, err := io.ReadAll(sr)
	if string(got) != "abc" || err != nil {
		t.Errorf("ReadAll = %q, %v; want abc", got, err)
	}
}

func TestSocketReaderMeasuresTheServersSilenceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		sr := newSocketReader()
		sr.source = client
		done := make(chan error, 1)
		ready := backendMessage('Z', []byte("I"))
		// Nobody reads.
		time.Sleep(time.Minute) //nolint:forbidigo // of a fake clock
		if got := sr.silence(time.Now()); got != 0 {
			t.Errorf("silence = %v while nobody reads; want 0", got)
		}
		go func() {
			_, err := io.ReadFull(sr, make([]byte, 6))
			done <- err
		}()
		time.Sleep(20 * time.Second) //nolint:forbidigo // of a fake clock
		if got := sr.silence(time.Now()); got != 20*time.Second {
			t.Errorf("silence = %v; want 20s", got)
		}
		server.Write(ready[:5])
		time.Sleep(5 * time.Second) //nolint:forbidigo // of a fake clock
		if got := sr.silence(time.Now()); got != 5*time.Second {
			t.Errorf("silence = %v after a part came; want 5s", got)
		}
		server.Write(ready[5:])
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
