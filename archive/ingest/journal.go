package ingest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Journal remembers what was stored from a source, so that a run that was cut short continues
// without reading it again. It is a file of digests of path, size and time of change: it names
// nobody. A digest is written after the object is durable; those that a crash loses cost a second
// look at the file, nothing else. A nil Journal remembers nothing. It is safe for concurrent use;
// memory is 16 bytes per file of the earlier run.
type Journal struct {
	path    string
	earlier []digest // sorted

	mu sync.Mutex
	f  *os.File
}

type digest [16]byte

// OpenJournal opens or begins the journal in the file at path.
func OpenJournal(path string) (*Journal, error) {
	const op = "ingest.OpenJournal"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, errs.E(errs.Unavailable, op, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, errs.E(errs.Unavailable, op, err)
	}
	b, err := io.ReadAll(f)
	if err == nil {
		// A digest that was not written whole would shift all that follow.
		err = f.Truncate(int64(len(b) - len(b)%len(digest{})))
	}
	if err != nil {
		return nil, errs.E(errs.Unavailable, op, errors.Join(err, f.Close()))
	}
	j := &Journal{path: path, f: f, earlier: make([]digest, len(b)/len(digest{}))}
	for i := range j.earlier {
		copy(j.earlier[i][:], b[i*len(digest{}):])
	}
	slices.SortFunc(j.earlier, compareDigests)
	return j, nil
}

func compareDigests(a, b digest) int { return bytes.Compare(a[:], b[:]) }

// Known returns how many files an earlier run has done.
func (j *Journal) Known() int { return len(j.earlier) }

func (i *Item) digest() digest {
	b := append([]byte(i.Path), 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(i.Size))
	b = binary.LittleEndian.AppendUint64(b, uint64(i.ModTime.UnixNano()))
	sum := sha256.Sum256(b)
	return digest(sum[:len(digest{})])
}

func (j *Journal) has(i Item) bool {
	if j == nil || len(j.earlier) == 0 || i.ModTime.IsZero() {
		return false
	}
	_, found := slices.BinarySearchFunc(j.earlier, i.digest(), compareDigests)
	return found
}

// note writes down that the archive has the item.
func (j *Journal) note(i Item, o Outcome) error {
	if j == nil || o != Stored && o != Identical || i.ModTime.IsZero() { // a stream is never the same
		return nil
	}
	d := i.digest()
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.f.Write(d[:]); err != nil {
		return errs.E(errs.Unavailable, "ingest.Journal", err)
	}
	return nil
}

// Close keeps the journal for the next run.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	return j.f.Close()
}

// Finish closes and removes it: the run came to its end, and the next one begins anew.
func (j *Journal) Finish() error {
	if j == nil {
		return nil
	}
	return errors.Join(j.f.Close(), os.Remove(j.path))
}
