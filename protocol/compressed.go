package protocol

// reserved1 marks a compressed message (RFC 7692, 6).
const reserved1 = 0x40

// Compressed is the frame as it goes to clients that agreed to
// permessage-deflate without context takeover; f itself where compressing does
// not make it smaller. deflate appends the compressed form of a payload. It is
// asked at the first call and the result shared, as the frame is, unless it has one
// receiver; two first calls at once may ask twice. Compressed is for text and binary frames.
func (f *Frame) Compressed(deflate func(dst, payload []byte) []byte) []byte {
	if made := f.compressed.Load(); made != nil {
		return *made
	}
	wire := newFrame(f.wire[0]&0x0f|reserved1, deflate(newWire(f.Size()/2), f.Payload())).wire
	if len(wire) >= f.Size() {
		wire = f.Wire()
	}
	if f.rest != nil && f.rest.single {
		return wire // its payload is shared, which a copy would undo
	}
	f.compressed.Store(&wire)
	return wire
}
