package gateway

import (
	"slices"

	"walcast/protocol"
)

// keptFrames is the capacity of the frame list that an idle session may keep.
const keptFrames = 8

// pending is the list of frames that wait in a queue. It has no lock of its own.
type pending struct {
	frames     []*protocol.Frame // those before head are nil
	head       int
	bytes      int             // of the waiting frames and of those that are being written
	uncounted  *protocol.Frame // the one large frame of these that does not count, nil if there is none
	broadcasts int             // among the waiting frames

	backlog *backlog
	session *session          // whose frames they are
	slow    *holding          // of the waiting frames in the backlog, nil unless they are counted there
	writing []*protocol.Frame // those that are being written, if these are counted there
}

// exceeds reports whether a frame of size bytes has no room within limit. A large
// one has room whatever its size, and does not count, while it is the only one:
// what a client must have, such as the presence of a topic, may be larger than the limit,
// and the frames around it must not end the session.
func (p *pending) exceeds(size, limit int) bool {
	return p.bytes > 0 && p.counted()+size > limit && !p.goesUncounted(size, limit)
}

// isTooMuch reports whether the frames wait for a slow session, and with those of
// the others are too many.
func (p *pending) isTooMuch() bool { return p.slow != nil && p.backlog.exceeds(p.bytes) }

// counted is how many of the bytes count against the limit.
func (p *pending) counted() int {
	if p.uncounted == nil {
		return p.bytes
	}
	return p.bytes - p.uncounted.Size()
}

// goesUncounted reports whether a frame of size bytes need not count.
func (p *pending) goesUncounted(size, limit int) bool { return p.uncounted == nil && size > limit/2 }

// add appends a frame.
func (p *pending) add(f *protocol.Frame, limit int) {
	size := f.Size()
	if f.Broadcast {
		p.broadcasts++
	}
	if p.goesUncounted(size, limit) {
		p.uncounted = f
	}
	p.frames = append(p.frames, f)
	p.bytes += size
	switch {
	case p.slow != nil:
		p.backlog.add(p.slow, f, p.counted(), p.bytes)
	case p.bytes > slowFrom:
		p.slow = p.backlog.begin(p.session, p.frames[p.head:])
		p.tell()
	}
}

// tell tells the backlog how much waits.
func (p *pending) tell() {
	if p.slow != nil {
		p.backlog.note(p.slow, p.counted(), p.bytes)
	}
}

// fill moves frames into o until it is full, and reports whether none is
// left. What o held before has been written, or never will be.
func (p *pending) fill(o *outgoing) (emptied bool) {
	p.bytes -= o.bytes
	p.uncount(o.frames...)
	p.abandon()
	o.reset()
	for p.head < len(p.frames) && o.fits(p.frames[p.head]) {
		f := p.frames[p.head]
		if f.Broadcast {
			p.broadcasts--
		}
		o.add(f)
		p.frames[p.head] = nil
		p.head++
	}
	emptied = p.head == len(p.frames)
	if p.slow != nil && len(o.frames) > 0 {
		p.writing = o.frames
	}
	if emptied && p.bytes <= slowFrom {
		p.quicken()
	}
	p.tell()
	p.compact()
	return emptied
}

// abandon takes out of the backlog what was being written: it was, or the connection is cut.
func (p *pending) abandon() {
	p.backlog.remove(p.writing...)
	p.writing = nil
}

// quicken has the session count as slow no longer, as little or nothing waits any more.
func (p *pending) quicken() {
	if p.slow != nil {
		p.backlog.end(p.slow)
		p.slow = nil
	}
}

// recount has the backlog look at the session again, after it was taken out there as the one
// with most. What waits for it must be counted there.
func (p *pending) recount() {
	if p.slow != nil {
		p.backlog.end(p.slow)
		p.slow = p.backlog.begin(p.session, nil)
		p.tell()
	}
}

// uncount is told of frames that leave.
func (p *pending) uncount(frames ...*protocol.Frame) {
	if p.uncounted != nil && slices.Contains(frames, p.uncounted) {
		p.uncounted = nil
	}
}

// dropBroadcasts makes room and returns how many it dropped: all that wait at
// once, so that it is not done again until the queue has filled again.
func (p *pending) dropBroadcasts() (dropped int) {
	if p.broadcasts == 0 {
		return 0
	}
	others := p.frames[:0]
	for _, f := range p.frames[p.head:] {
		if f.Broadcast {
			p.bytes -= f.Size()
			p.uncount(f)
			if p.slow != nil {
				p.backlog.remove(f)
			}
			continue
		}
		others = append(others, f)
	}
	clear(p.frames[len(others):])
	p.frames, p.head = others, 0
	dropped, p.broadcasts = p.broadcasts, 0
	p.tell()
	return dropped
}

// clear drops all that wait.
func (p *pending) clear() {
	waiting := p.frames[p.head:]
	for _, f := range waiting {
		p.bytes -= f.Size()
	}
	p.uncount(waiting...)
	if p.slow != nil {
		p.backlog.remove(waiting...)
		p.quicken()
	}
	p.frames, p.head, p.broadcasts = nil, 0, 0
}

// compact gives back the room of frames that were taken.
func (p *pending) compact() {
	switch {
	case p.head == len(p.frames) && cap(p.frames) > keptFrames:
		p.frames, p.head = nil, 0
	case p.head == len(p.frames):
		p.frames, p.head = p.frames[:0], 0
	case p.head*2 >= len(p.frames):
		n := copy(p.frames, p.frames[p.head:])
		clear(p.frames[n:])
		p.frames, p.head = p.frames[:n], 0
	}
}
