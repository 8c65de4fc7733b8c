package gateway

import (
	"bytes"
	"runtime"
	"sync"

	"walcast/internal/heavy"
)

// keptBuffer is the largest buffer for an inbound message that is kept for the
// next one.
const keptBuffer = 256 << 10

// pools lend sessions what they need only while they read or write.
type pools struct {
	outgoing sync.Pool     // of *outgoing, for writers
	buffers  sync.Pool     // of *bytes.Buffer, for readers
	deflater *deflater     // for sessions that agreed to compression
	backlog  *backlog      // what they all may have waiting
	heavy    *heavy.Work   // has a turn for each session that reads a large message
	large    chan struct{} // has a token for each handshake that is large
}

// newPools makes pools for sessions that take part in work; nil makes one.
func newPools(c Config, w *heavy.Work) *pools {
	if w == nil {
		w = heavy.New()
	}
	return &pools{
		backlog:  newBacklog(c.QueuesBytes),
		heavy:    w,
		large:    make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		outgoing: sync.Pool{New: func() any { return newOutgoing() }},
		buffers:  sync.Pool{New: func() any { return new(bytes.Buffer) }},
		deflater: newDeflater(),
	}
}

// returnBuffer gives a buffer back, unless it has become large.
func (p *pools) returnBuffer(b *bytes.Buffer) {
	if b.Cap() > keptBuffer {
		return
	}
	b.Reset()
	p.buffers.Put(b)
}
