package policy

import (
	"bufio"
	"bytes"
	"cmp"
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
	"walcast/replication/wal"
)

// kept is what a state file says. The file has a line of keptHead, and a line of
// keptObject for each object. It has OIDs, fingerprints, ids of transactions and times.
type kept struct {
	origin
	objects map[dependency]object
}

// origin is the database that a file is of.
type origin struct {
	System   string // the system identifier of the cluster
	Timeline string // in hexadecimal; "" while the server recovers
	Database uint32 // the database's OID
}

type keptHead struct {
	Format       int
	Fingerprints string // how fingerprints are taken: others cannot be compared
	origin
	Sum string // SHA-256 of the lines that follow
}

type keptObject struct {
	Kind  Kind     `json:"k"`
	OID   uint32   `json:"o"`
	Print int64    `json:"p"`
	Trace uint64   `json:"t,omitempty"`
	Last  int64    `json:"l"` // when it was last known to be so, in seconds since 1970
	Since keptSpan `json:"s"`
}

type keptSpan struct {
	At     string `json:"at"` // a pg_snapshot
	Last   uint32 `json:"a,omitempty"`
	Before uint32 `json:"b,omitempty"`
	Newest uint32 `json:"n,omitempty"`
}

// mostUnderWay is how many transactions under way the file has of a snapshot. Of more it
// says that they had ended: then their rows count as older than what was seen.
const mostUnderWay = 64

func newKeptSpan(s *span) keptSpan {
	at := s.at
	if len(at.UnderWay) > mostUnderWay {
		at.Least, at.UnderWay = at.Next, nil
	}
	return keptSpan{At: at.String(), Last: s.last, Before: s.before, Newest: s.newest}
}

const (
	keptFormat = 1
	// keptMost bounds the file in bytes; what was known longest ago goes.
	keptMost = 4 << 20
	// keptFor is how long after the last run that knew an object it is kept.
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
	k := &kept{head.origin, map[dependency]object{}}
	return k, k.readObjects(body)
}

func (k *kept) readObjects(body []byte) error {
	for lines := json.NewDecoder(bytes.NewReader(body)); lines.More(); {
		var line keptObject
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("read object: %w", err)
		}
		s := line.Since
		at, err := wal.ParseSnapshot(s.At)
		if err != nil {
			return fmt.Errorf("read object: %w", err)
		}
		k.objects[dependency{line.Kind, line.OID}] = object{
			found: found{print: line.Print}, trace: line.Trace, since: span{at: at, last: s.Last, before: s.Before, newest: s.Newest},
			at: time.Unix(line.Last, 0), isRestored: true,
		}
	}
	return nil
}

// write replaces a state file.
func (k *kept) write(path string, now time.Time) error {
	body, err := k.lines(now)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Replace(path, func(w *bufio.Writer) error {
		if err := json.NewEncoder(w).Encode(keptHead{keptFormat, fingerprints(), k.origin, sumOf(body)}); err != nil {
			return err
		}
		_, err := w.Write(body)
		return err
	})
}

// lines is what is written of objects, up to the bound.
func (k *kept) lines(now time.Time) ([]byte, error) {
	last := func(d dependency) time.Time {
		if o := k.objects[d]; o.isRestored {
			return o.at
		}
		return now
	}
	sorted := slices.SortedFunc(maps.Keys(k.objects), func(a, b dependency) int {
		return cmp.Or(last(b).Compare(last(a)), a.compare(b))
	})
	var body bytes.Buffer
	for _, d := range sorted {
		if body.Len() > keptMost-1<<10 || now.Sub(last(d)) > keptFor {
			break
		}
		if err := json.NewEncoder(&body).Encode(k.line(d, last(d))); err != nil {
			return nil, err
		}
	}
	return body.Bytes(), nil
}

func (k *kept) line(d dependency, last time.Time) *keptObject {
	o := k.objects[d]
	line := &keptObject{Kind: d.kind, OID: d.oid, Print: o.print, Trace: o.trace, Last: last.Unix(), Since: newKeptSpan(&o.since)}
	if !o.isRestored {
		line.Trace = o.found.trace()
	}
	return line
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
