// Package index is the contract for finding things: patients, studies, series and instances,
// the header and frame table of each instance, and the change feed. Rows and their change are
// written in one transaction. It never sees pixel bytes.
//
// Engines: index/sqlite, index/postgres. Every engine passes index/indextest, whose oracle is query.Match.
package index

import (
	"context"
	"iter"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Instance is what the archive hands over for one stored SOP Instance.
type Instance struct {
	StudyInstanceUID  string
	SeriesInstanceUID string
	SOPInstanceUID    string
	SOPClassUID       string
	TransferSyntaxUID string

	Dataset *dicom.Dataset // header with bulk values left out: the source of every query attribute
	Header  []byte         // the same as dicom.AppendHeader wrote it; kept and given back as it is
	Frames  []byte         // frame table as pixel.FrameIndex.Append wrote it; nil: no pixel data
	Blob    blob.Record    // where the Part 10 object lies

	DatasetOffset int64  // of the data set inside the Part 10 object
	DatasetCRC    uint32 // CRC-32C of the data set bytes, to tell an identical duplicate
	SourceAET     string // calling AE title or door; not a query attribute
}

// Ref names a study, a series or an instance; empty fields match any. The zero Ref is refused
// by Remove.
type Ref struct {
	StudyInstanceUID  string
	SeriesInstanceUID string
	SOPInstanceUID    string
}

// Fields says which of the heavier columns Locate shall read.
type Fields uint8

// The heavier columns.
const (
	WithHeader Fields = 1 << iota
	WithFrames
)

// Entry is one instance as the index knows it.
type Entry struct {
	Ref
	SOPClassUID       string
	TransferSyntaxUID string
	Location          blob.Location
	DatasetOffset     int64
	DatasetCRC        uint32
	Received          time.Time
	Header            []byte // only WithHeader
	Frames            []byte // only WithFrames
}

// Added says what Add did.
type Added struct {
	Sequence  int64 // of the change; 0 when nothing changed
	NewStudy  bool
	NewSeries bool
	Existing  *Entry // set, with nothing written, when the SOP Instance UID is already there
	Replaced  *Entry // set when replace was asked for and an entry gave way
}

// ChangeKind says what happened.
type ChangeKind string

// The kinds of change.
const (
	InstanceStored  ChangeKind = "stored"
	InstanceDeleted ChangeKind = "deleted"
	// StudyCompleted says that nothing was added to or removed from the study for a while; only
	// the study is named. A study that changes later is announced again.
	StudyCompleted ChangeKind = "study-complete"
)

// Change is one row of the feed of a tenant: ordered, gapless from the first, one per instance
// stored or deleted and one per completed study. The first has sequence number 1, unless the
// index takes the place of another: then it goes on behind that.
type Change struct {
	Sequence int64
	Time     time.Time
	Kind     ChangeKind
	Ref
	SOPClassUID string
}

// SeriesState lets a cache tell whether what it holds of a series is current: Revision grows
// with every instance added to or removed from the series.
type SeriesState struct {
	StudyInstanceUID  string
	SeriesInstanceUID string
	Revision          int64
	Instances         int
	Sealed            *Seal // what was made of the series when it was quiet; nil: nothing yet
}

// Seal is the object made of a quiet series: its metadata as it is served. It is current while
// Revision is the series' own.
type Seal struct {
	Revision int64
	Metadata blob.Location // in the store of derived objects
	ETag     string
}

// Discarded is an instance that was deleted and can be brought back.
type Discarded struct {
	Ref
	Location blob.Location
	At       time.Time // when it was deleted
	Until    time.Time // when it will be gone
}

// Usage is what a tenant keeps. Patients, studies and series are those that can be found;
// instances and their bytes count until they are noted for erasure, discarded ones too.
type Usage struct {
	Patients, Studies, Series, Instances int64
	Bytes                                int64 // content of the blobs
}

// Index finds instances. It is safe for concurrent use. Every method takes the tenant.
type Index interface {
	// Add writes one instance and its change in one transaction. Concurrent calls may share a
	// commit. When the SOP Instance UID is there already: replace false writes nothing and
	// returns Added.Existing; replace true puts the new one in its place and, durably, notes the
	// location of the old one for erasure, unless that is the location of the new one: then it
	// is there already.
	Add(ctx context.Context, t storage.TenantID, in Instance, replace bool) (Added, error)
	// Relocate puts another form of an instance in the place of the one that lies at from, in one
	// transaction: location, transfer syntax, header and frames, while it stays the instance that
	// was received then and is no change in the feed. The old location is noted for erasure,
	// durably. False: it does not lie there (deleted, replaced), and nothing was written.
	Relocate(ctx context.Context, t storage.TenantID, from blob.Location, in Instance) (bool, error)
	// Find streams one data set per match at q.Level, in a stable order (studies newest first),
	// in UTF-8, with the attributes of that level and above plus the counts of PS3.4 C.3.4
	// (NumberOfStudyRelatedInstances, ModalitiesInStudy, ...). Breaking off the loop ends it.
	Find(ctx context.Context, t storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error]
	// Count returns how many matches Find would give without limit and offset.
	Count(ctx context.Context, t storage.TenantID, q *query.Query) (int64, error)
	// Locate streams the entries under r in order of series, InstanceNumber and arrival.
	Locate(ctx context.Context, t storage.TenantID, r Ref, f Fields) iter.Seq2[Entry, error]
	// Series lists the series under r with their revision.
	Series(ctx context.Context, t storage.TenantID, r Ref) ([]SeriesState, error)
	// Remove deletes the rows under r and notes their locations for erasure, durably, in one
	// transaction. Nothing there is errs.NotFound.
	Remove(ctx context.Context, t storage.TenantID, r Ref) ([]blob.Location, error)
	// Changes returns up to limit changes after the sequence number.
	Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]Change, error)
	// Recent returns up to limit studies by time of last arrival, newest first (as Find does).
	Recent(ctx context.Context, t storage.TenantID, limit int) ([]*dicom.Dataset, error)

	// PendingErasures lists locations removed from the index whose bytes may still be there.
	PendingErasures(ctx context.Context) ([]blob.Location, error)
	// CompleteStudies appends a StudyCompleted change for studies of all tenants that did not
	// change since quiet and were not announced as they are now, up to limit; it returns how
	// many. Called on several nodes at once, each state of a study is announced exactly once.
	CompleteStudies(ctx context.Context, quiet time.Time, limit int) (int, error)

	// Discard is Remove with a way back: the instances are found no more, but their bytes stay
	// until the time given. It returns how many. Nothing there is errs.NotFound.
	Discard(ctx context.Context, t storage.TenantID, r Ref, until time.Time) (int, error)
	// Discarded lists what can be brought back, latest first, one entry per instance.
	Discarded(ctx context.Context, t storage.TenantID, r Ref, limit int) ([]Discarded, error)
	// Restore brings back what was discarded under r, as a new arrival in the feed; of several
	// discarded under one UID the latest. An instance whose UID was stored again meanwhile stays
	// discarded. None brought back is errs.NotFound.
	Restore(ctx context.Context, t storage.TenantID, r Ref) (int, error)
	// Expire notes for erasure what was discarded until now or earlier, durably, up to limit.
	Expire(ctx context.Context, now time.Time, limit int) ([]blob.Location, error)
	// Purge is Expire at once, for what was discarded under r. None is errs.NotFound.
	Purge(ctx context.Context, t storage.TenantID, r Ref) ([]blob.Location, error)

	// Unsealed lists series of all tenants that did not change since quiet and have no current
	// seal, up to limit.
	Unsealed(ctx context.Context, quiet time.Time, limit int) (map[storage.TenantID][]SeriesState, error)
	// Seal records what was made of the series at the revision. False: the series has changed
	// since, and nothing was written. A seal that it takes the place of becomes stale.
	Seal(ctx context.Context, t storage.TenantID, s SeriesState, seal Seal) (bool, error)
	// StaleSeals lists derived objects that no series uses any more, because it changed or was
	// removed; SealsErased forgets them.
	StaleSeals(ctx context.Context) ([]blob.Location, error)
	SealsErased(ctx context.Context, ls []blob.Location) error
	// HasSeal reports whether a seal, current or stale, lies at the location: a derived object
	// without one is an orphan.
	HasSeal(ctx context.Context, l blob.Location) (bool, error)

	// Usage returns what the tenant keeps, without counting rows.
	Usage(ctx context.Context, t storage.TenantID) (Usage, error)

	// NoteErasure notes for erasure, as durably as Add, a committed record that is not to become
	// an instance; before its bytes go, so that neither a crash nor an outage leaves a record
	// nobody knows. False: an instance lies there, found or discarded, and nothing was noted.
	NoteErasure(ctx context.Context, t storage.TenantID, l blob.Location) (bool, error)
	// Erased forgets pending erasures that were carried out.
	Erased(ctx context.Context, ls []blob.Location) error
	// Tails returns, for each object, the End up to which every record was handed to Add:
	// recovery after a crash looks at records behind it only. It never lies behind a record
	// whose Add may have been lost, because the records of one object are added in their order
	// (see blob.Writer).
	Tails(ctx context.Context) (map[storage.Key]int64, error)
	// Has reports whether the record at the location is known: an instance lies there, found or
	// discarded, or its erasure is pending. A record that is not known is an orphan (fsck).
	Has(ctx context.Context, l blob.Location) (bool, error)
	// Close ends it; no call may follow.
	Close() error
}
