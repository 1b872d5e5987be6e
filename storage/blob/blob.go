// Package blob is the contract for where instances lie: immutable records, many of which may
// share one object, addressed by (object, offset, length). An engine decides how records are
// grouped into objects. It knows nothing of DICOM.
//
// A record is invisible until Commit returned; after Commit returned nil it survives a crash of
// the process and of the machine. Engines: blob/fs (append-only packs), blob/s3 (objects
// of a bucket), blob/mem (tests).
// Every engine passes blob/blobtest.
package blob

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
)

// Location addresses one record's bytes inside an object.
type Location struct {
	Object storage.Key
	Offset int64 // of the first byte of the record's content in the object
	Length int64 // content bytes
}

// Record is a committed record as List finds it.
type Record struct {
	Tenant   storage.TenantID
	Location Location
	End      int64     // offset in the object after this record and its framing
	Received time.Time // when it was committed
	CRC32C   uint32    // Castagnoli checksum of the content
}

// Writer receives one record. It is not safe for concurrent use. Abort must be called at the
// end, Commit or not, so defer it. Between Commit and Abort no other record is begun in the
// object: whoever indexes what it committed before it calls Abort has indexed each object's
// records in their order, and an index that knows how far it got (index.Index.Tails) has no
// gaps before that.
type Writer interface {
	io.Writer
	// Commit makes the record durable. On error nothing stays and nothing is visible.
	// A full disk is errs.Exhausted.
	Commit(ctx context.Context) (Record, error)
	// Abort discards what was not committed and gives the object back.
	Abort()
}

// Store keeps records. It is safe for concurrent use; memory is bounded per open Writer and
// Reader, never by the size of a record.
type Store interface {
	// Create begins a record of the tenant.
	Create(ctx context.Context, t storage.TenantID) (Writer, error)
	// Open reads n bytes of the record's content from off (n < 0: to the end). The reader
	// implements io.WriterTo where the engine can hand the bytes to a socket without copying.
	// The record cannot be erased under an open reader of this Store. On a medium shared by nodes
	// it does not hold up the Erase of another one: its reader may end with an error, never with
	// other bytes. Ranges outside are errs.Invalid, an erased or unknown record errs.NotFound.
	Open(ctx context.Context, l Location, off, n int64) (io.ReadCloser, error)
	// Erase removes the record's bytes from the medium. Erasing twice is no error. While a
	// reader is open it fails with errs.Unavailable: the record is not opened or listed any
	// more, but its bytes are there until Erase is tried again.
	Erase(ctx context.Context, ls ...Location) error
	// List walks committed, not erased records object by object in order of their keys, and in
	// each in order of offset, starting at from(object) (an End seen before; nil or 0: the
	// beginning; more than any End: it is passed over).
	List(ctx context.Context, from func(storage.Key) int64) iter.Seq2[Record, error]
	// Verify reads the record and checks it against its checksum; damage is errs.Invalid.
	Verify(ctx context.Context, l Location) error
	// Close seals what is open. No call may follow.
	Close() error
}

// SinceLister is a Store on a medium that is too large to walk at each start: it lists the
// records of objects begun since then only. Where it is not there List is cheap enough.
type SinceLister interface {
	ListSince(ctx context.Context, since time.Time) iter.Seq2[Record, error]
}

// Spacer is a Store on a medium that can be full.
type Spacer interface {
	Space(ctx context.Context) (free, total int64, err error)
}

// Labeled is a Store that keeps one short word beside its records: whose it is. It is no record;
// List and Erase do not know it.
type Labeled interface {
	// Label returns the word, "" when there is none.
	Label(ctx context.Context) (string, error)
	// SetLabel keeps the word, durably, in the place of another.
	SetLabel(ctx context.Context, label string) error
}

// MaxLabel bounds the length of a label.
const MaxLabel = 256
