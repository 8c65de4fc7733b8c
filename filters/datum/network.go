package datum

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"strings"
)

// network is inet or cidr. An IPv4 value has its address in the upper half of A and
// the length of its prefix in B. An IPv6 value has its address in A and B, and the
// length in S as "/64".
type network struct{ cidr bool }

func (network) Out(text string) (Value, bool) {
	address, length, masked := strings.Cut(text, "/")
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return Value{}, false
	}
	n := int64(a.BitLen())
	if masked {
		given, ok := digits(length)
		if !ok || given > n || len(length) > 1 && length[0] == '0' {
			return Value{}, false
		}
		n = given
	}
	if a.Is4() {
		b := a.As4()
		return Value{Key: Key{A: signed(uint64(binary.BigEndian.Uint32(b[:])) << 32), B: n}}, true
	}
	suffix := "/128"
	if masked {
		suffix = text[len(address):]
	}
	b := a.As16()
	return Value{Key: Key{
		A: signed(binary.BigEndian.Uint64(b[:8])),
		B: signed(binary.BigEndian.Uint64(b[8:])),
		S: suffix,
	}}, true
}

// In reads complete addresses only. Postgres also reads short forms of cidr, such as
// 10.1/16, and refuses a cidr with bits beyond its prefix; both are left to Postgres.
func (t network) In(literal string) (Value, error) {
	v, ok := t.Out(literal)
	if !ok || t.cidr && prefixOf(v) != prefixOf(v).masked() {
		return Value{}, ErrUncertain
	}
	return v, nil
}

// prefix is an address of either family and the length of its prefix in bits.
type prefix struct {
	high, low uint64
	length    int64
}

func prefixOf(v Value) prefix {
	if v.S == "" {
		return prefix{high: uint64(signed(uint64(v.A))), length: v.B}
	}
	length, _ := digits(v.S[1:])
	return prefix{uint64(signed(uint64(v.A))), uint64(signed(uint64(v.B))), length}
}

// masked clears the bits behind the prefix.
func (p prefix) masked() prefix {
	p.high &= ^uint64(0) << (64 - min(p.length, 64))
	p.low &= ^uint64(0) << (64 - max(p.length-64, 0))
	return p
}

// Compare orders IPv4 before IPv6, then by the bits within both prefixes, then by
// the length of the prefix, then by the rest of the address.
func (network) Compare(a, b Value) int {
	if four, six := a.S == "", b.S == ""; four != six {
		if four {
			return -1
		}
		return 1
	}
	x, y := prefixOf(a), prefixOf(b)
	common := min(x.length, y.length)
	cx, cy := prefix{x.high, x.low, common}.masked(), prefix{y.high, y.low, common}.masked()
	return cmp.Or(
		cmp.Compare(cx.high, cy.high), cmp.Compare(cx.low, cy.low),
		cmp.Compare(x.length, y.length),
		cmp.Compare(x.high, y.high), cmp.Compare(x.low, y.low),
	)
}

func (network) Ordered() bool { return true }

// hardware is macaddr or macaddr8, by its number of bytes.
type hardware struct{ bytes int }

func (t hardware) Out(text string) (Value, bool) {
	if len(text) != 3*t.bytes-1 {
		return Value{}, false
	}
	var n uint64
	for i := range t.bytes {
		pair := text[3*i:]
		high, low := hexDigit(pair[0]), hexDigit(pair[1])
		if high < 0 || low < 0 || i < t.bytes-1 && pair[2] != text[2] {
			return Value{}, false
		}
		n = n<<8 | uint64(high<<4|low)
	}
	return number(signed(n)), text[2] == ':' || text[2] == '-'
}

func (t hardware) In(literal string) (Value, error) {
	if v, ok := t.Out(literal); ok {
		return v, nil
	}
	return Value{}, ErrUncertain // Postgres reads six more spellings
}

func (hardware) Compare(a, b Value) int { return compareNumbers(a, b) }
func (hardware) Ordered() bool          { return true }
