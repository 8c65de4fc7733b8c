package replication

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"walcast/replication/pgoutput"
)

const (
	// clientsPrefix begins the content of messages by which a server tells others which
	// clients it knows. The name of its slot follows, and what stands for the clients,
	// 8 bytes each, in base64url.
	clientsPrefix = "clients "
	// mostClients are in one of them.
	mostClients = 1000
)

func clientsContent(slot string, clients []uint64) string {
	b := make([]byte, 0, 8*len(clients))
	for _, client := range clients {
		b = binary.BigEndian.AppendUint64(b, client)
	}
	return clientsPrefix + slot + " " + base64.RawURLEncoding.EncodeToString(b)
}

// readClients recognises such a message, of this server or another. It is not for
// consumers of the log. One that is damaged has no slot.
func readClients(m *pgoutput.LogicalMessage) (slot string, clients []uint64, ok bool) {
	if m == nil || m.Prefix != messagePrefix {
		return "", nil, false
	}
	rest, ok := strings.CutPrefix(m.Content, clientsPrefix)
	if !ok {
		return "", nil, false
	}
	slot, text, _ := strings.Cut(rest, " ")
	if !slotName.MatchString(slot) || len(text) > base64.RawURLEncoding.EncodedLen(8*mostClients) {
		return "", nil, true
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b)%8 != 0 {
		return "", nil, true
	}
	for ; len(b) > 0; b = b[8:] {
		clients = append(clients, binary.BigEndian.Uint64(b))
	}
	return slot, clients, true
}

// peers are other walcasts that read the database by slots of their own.
type peers struct {
	slot    string                         // ours: what it says is no news
	found   func(slot string, begins bool) // nil tells nobody
	clients func(known []uint64)           // nil tells nobody
}

// heard takes note of a message that a server with the slot has written.
func (p *peers) heard(slot string, begins bool) (isPeer bool) {
	isPeer = slot != "" && slot != p.slot
	if isPeer && p.found != nil {
		p.found(slot, begins)
	}
	return isPeer
}

// take takes in what a message of walcasts for walcasts says of others, and reports
// whether it is one that says something of them.
func (p *peers) take(m *pgoutput.LogicalMessage) (isOwn bool) {
	if h, ok := readHeartbeat(m); ok {
		p.heard(h.slot, h.begins)
		return true
	}
	slot, clients, ok := readClients(m)
	if ok {
		p.know(slot, clients)
	}
	return ok
}

// know takes note of clients that such a server knows.
func (p *peers) know(slot string, known []uint64) {
	if p.heard(slot, false) && len(known) > 0 && p.clients != nil {
		p.clients(known)
	}
}
