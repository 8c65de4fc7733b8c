package replication

import (
	"encoding/binary"
	"fmt"
	"time"

	"walcast/replication/wal"
)

// The bytes that begin a message inside CopyData, and the frame around it.
const (
	copyDataByte    = 'd'
	statusByte      = 'r'
	keepaliveByte   = 'k'
	walDataByte     = 'w'
	statusLength    = 34
	keepaliveLength = 18
	walDataHeader   = 25
	postgresEpoch   = 946684800_000000 // 2000-01-01 in Unix microseconds
)

// terminateMessage ends a connection in an orderly way.
var terminateMessage = []byte{'X', 0, 0, 0, 4}

// standbyStatus is a standby status update.
//
// A flush of 0 leaves the slot's confirmed position alone and makes the server
// judge by write whether we are done when it shuts down. A flush held back
// behind write would make a fast shutdown wait for ever, so flush is sent only
// to move the slot and is taken back in the same network write (see confirm).
type standbyStatus struct {
	write wal.LSN // the newest position received
	flush wal.LSN // 0, or where the slot moves to
	now   time.Time
	reply bool // the server shall answer at once
}

// append writes the update as a CopyData message. pglogrepl's encoder cannot
// be used: it replaces a zero flush by write and so confirms everything.
func (s standbyStatus) append(b []byte) []byte {
	b = append(b, copyDataByte)
	b = binary.BigEndian.AppendUint32(b, 4+statusLength)
	b = append(b, statusByte)
	b = binary.BigEndian.AppendUint64(b, uint64(s.write))
	b = binary.BigEndian.AppendUint64(b, uint64(s.flush))
	b = binary.BigEndian.AppendUint64(b, 0) // apply: nothing asks for it
	b = binary.BigEndian.AppendUint64(b, uint64(s.now.UnixMicro()-postgresEpoch))
	if s.reply {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendConfirmation moves the slot to confirm and lets go of the flush
// position again; both go out in one write.
func appendConfirmation(b []byte, write, confirm wal.LSN, now time.Time) []byte {
	b = standbyStatus{write: write, flush: confirm, now: now}.append(b)
	return standbyStatus{write: write, now: now}.append(b)
}

// keepalive is a primary keepalive message.
type keepalive struct {
	end   wal.LSN // everything that commits before it has been sent
	reply bool    // the server wants a status update now
}

func parseKeepalive(data []byte) (keepalive, error) {
	if len(data) != keepaliveLength {
		return keepalive{}, fmt.Errorf("read keepalive: want %d bytes, got %d", keepaliveLength, len(data))
	}
	return keepalive{
		end:   wal.LSN(binary.BigEndian.Uint64(data[1:])),
		reply: data[keepaliveLength-1] != 0,
	}, nil
}

// parseWALData returns the pgoutput message inside. The positions in the header are
// those of single records, from which no stream can go on.
func parseWALData(data []byte) ([]byte, error) {
	if len(data) < walDataHeader {
		return nil, fmt.Errorf("read WAL data: want at least %d bytes, got %d", walDataHeader, len(data))
	}
	return data[walDataHeader:], nil
}
