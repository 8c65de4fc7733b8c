package policy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"walcast/internal/atomicfile"
)

// kept is what a state file says. The file has a line of keptHead, and a line of
// keptRole for each role. It has OIDs, names of roles, times and sums.
type kept struct {
	origin
	memories map[memoryKey]*memory
}

// origin is the database that a file is of.
type origin struct {
	System   string // the system identifier of the cluster
	Database uint32 // the database's OID
}

type keptHead struct {
	Format       int
	Fingerprints string // how fingerprints are taken: others cannot be compared
	origin
	Sum string // SHA-256 of the lines that follow
}

type keptRole struct {
	Role   string
	Tables [][6]uint64 // OID, memory.sum, the force's latest, held.before and held.read, and when it was last known to be so
}

const (
	keptFormat = 1
	// keptMost bounds the file in bytes; what was known longest ago goes.
	keptMost = 4 << 20
	keptSize = 96 // more than a table and role take
	// keptFor is how long after the last run that knew a table for a role it is kept.
	keptFor = 30 * 24 * time.Hour
)

// fingerprints tells ways to take fingerprints apart.
func fingerprints() string {
	sum := sha256.Sum256([]byte(sightSQL + dependenciesSQL))
	return hex.EncodeToString(sum[:8])
}

// readKept reads a state file.
func readKept(path string) (*kept, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewReader(io.LimitReader(f, 2*keptMost))
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	var head keptHead
	if err := json.Unmarshal(first, &head); err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	if head.Format != keptFormat || head.Fingerprints != fingerprints() {
		return nil, errors.New("it was written by another version")
	}
	body, err := io.ReadAll(lines)
	if err != nil {
		return nil, err
	}
	if head.Sum != sumOf(body) {
		return nil, errors.New("it is damaged")
	}
	k := &kept{head.origin, map[memoryKey]*memory{}}
	return k, k.readRoles(body)
}

func (k *kept) readRoles(body []byte) error {
	for lines := json.NewDecoder(bytes.NewReader(body)); lines.More(); {
		var role keptRole
		if err := lines.Decode(&role); err != nil {
			return fmt.Errorf("read role: %w", err)
		}
		for _, t := range role.Tables {
			m := &memory{read: momentOf(t[5]), sum: t[1], force: force{held: heldSpan{uint32(t[3]), momentOf(t[4])}}}
			m.force.since(momentOf(t[2]))
			k.memories[memoryKey{uint32(t[0]), role.Role}] = m
		}
	}
	return nil
}

// write replaces a state file.
func (k *kept) write(path string, now time.Time) error {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, role := range k.roles(now) {
		if err := lines.Encode(role); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(path, func(w *bufio.Writer) error {
		if err := json.NewEncoder(w).Encode(keptHead{keptFormat, fingerprints(), k.origin, sumOf(body.Bytes())}); err != nil {
			return err
		}
		_, err := w.Write(body.Bytes())
		return err
	})
}

// roles is what is written, up to the bound.
func (k *kept) roles(now time.Time) map[string]*keptRole {
	last := func(key memoryKey) time.Time {
		if m := k.memories[key]; m.isRestored() {
			return m.read
		}
		return now
	}
	keys := slices.SortedFunc(maps.Keys(k.memories), func(a, b memoryKey) int { return last(b).Compare(last(a)) })
	roles := map[string]*keptRole{}
	size := 0
	for _, key := range keys {
		if size > keptMost || now.Sub(last(key)) > keptFor {
			break
		}
		if roles[key.role] == nil {
			roles[key.role] = &keptRole{Role: key.role}
			size += len(key.role) + keptSize
		}
		m := k.memories[key]
		roles[key.role].Tables = append(roles[key.role].Tables, [6]uint64{
			uint64(key.oid), m.sum, microsOf(m.force.latest()), uint64(m.force.held.before), microsOf(m.force.held.read), microsOf(last(key)),
		})
		size += keptSize
	}
	return roles
}

// latest is since when all but what is held is known to be so.
func (f *force) latest() time.Time {
	if f.dropped.at.After(f.traced.at) {
		return f.dropped.at
	}
	return f.traced.at
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// microsOf is a time in microseconds, 0 for the zero time, which is not bounded.
func microsOf(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixMicro())
}

func momentOf(micros uint64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(micros))
}
