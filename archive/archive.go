// Package archive has the use cases of the archive, one file each: store, find, open, frames,
// metadata, delete, changes. Doors call it with a tenant and a context and translate its errors
// (errs.Kind); it knows neither HTTP nor DIMSE nor SQL.
package archive

import (
	"context"
	"io"
	"iter"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/pixel"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Policy says what happens to other bytes under a SOP Instance UID that is already stored.
type Policy uint8

// The policies.
const (
	KeepFirst Policy = iota // the first stays; the second is refused as errs.Conflict
	Replace                 // the newest takes its place
)

// Config of an Archive; the zero value is usable.
type Config struct {
	Duplicates    Policy
	Limits        dicom.Limits
	MetadataCache int64 // bytes of series metadata kept; default 32 MiB
}

// Archive is safe for concurrent use; memory is bounded per call by Config.Limits.
type Archive struct {
	cfg   Config
	blobs blob.Store
	index index.Index
}

// Incoming describes an object on its way in.
type Incoming struct {
	// Data is the stream: a bare data set when TransferSyntax is set (C-STORE), else Part 10.
	Data           io.Reader
	TransferSyntax string
	// SOPClassUID and SOPInstanceUID as the command or request announced them; empty: not
	// announced. A data set that says otherwise is errs.Mismatch.
	SOPClassUID    string
	SOPInstanceUID string
	// StudyInstanceUID, when set, must be the data set's (STOW to /studies/{study}).
	StudyInstanceUID string
	SourceAET        string
}

// Stored says what became of an object. It is filled as far as known even on error, so that a
// door can name the instance it refuses.
type Stored struct {
	index.Ref
	SOPClassUID string
	Duplicate   bool // the same data set was there already; nothing changed
	Replaced    bool
}

// Store takes one object in, streaming. It returns after blob and index are durable.
func (a *Archive) Store(ctx context.Context, t storage.TenantID, in Incoming) (Stored, error) {
	panic("archive helper")
}

// Find answers a query; see index.Index.Find.
func (a *Archive) Find(ctx context.Context, t storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error] {
	panic("archive helper")
}

// Count counts matches without limit and offset.
func (a *Archive) Count(ctx context.Context, t storage.TenantID, q *query.Query) (int64, error) {
	panic("archive helper")
}

// Select lists the instances under r, for retrieval. None is errs.NotFound.
func (a *Archive) Select(ctx context.Context, t storage.TenantID, r index.Ref) ([]index.Entry, error) {
	panic("archive helper")
}

// Object is an instance opened for reading. Close it.
type Object struct {
	io.ReadCloser        // also an io.WriterTo where bytes can go to a socket uncopied
	Size           int64 // bytes that will be read; -1 when not known (converted on the way)
	TransferSyntax dicom.TransferSyntax
}

// OpenFile opens the Part 10 object, as stored, from off, n bytes (n < 0: to the end).
func (a *Archive) OpenFile(ctx context.Context, t storage.TenantID, e index.Entry, off, n int64) (*Object, error) {
	panic("archive helper")
}

// OpenDataset opens the bare data set in the first of the accepted transfer syntaxes that can
// be had without decoding pixels: as stored if accepted, else converted between native
// syntaxes. None is errs.Unsupported. No syntax given: as stored.
func (a *Archive) OpenDataset(ctx context.Context, t storage.TenantID, e index.Entry, accepted ...string) (*Object, error) {
	panic("archive helper")
}

// Frames is an instance whose frames can be read one by one.
type Frames struct {
	Entry          index.Entry
	TransferSyntax dicom.TransferSyntax
	Index          *pixel.FrameIndex
}

// Frames returns access to the frames of one instance. No pixel data is errs.NotFound; frames
// that cannot be told apart errs.Invalid.
func (a *Archive) Frames(ctx context.Context, t storage.TenantID, r index.Ref) (*Frames, error) {
	panic("archive helper")
}

// OpenFrame opens frame n (1-based) as stored: the joined fragments, or the native bytes in
// little endian.
func (a *Archive) OpenFrame(ctx context.Context, t storage.TenantID, f *Frames, n int) (*Object, error) {
	panic("archive helper")
}

// OpenBulk opens the value of the element at the path (tags and 0-based item numbers
// alternating, as BulkDataURI spells them: "00080001" or "00400555/0/0040A30A").
func (a *Archive) OpenBulk(ctx context.Context, t storage.TenantID, r index.Ref, path string) (*Object, error) {
	panic("archive helper")
}

// Headers streams the headers of the instances under r, in order.
func (a *Archive) Headers(ctx context.Context, t storage.TenantID, r index.Ref) iter.Seq2[*dicom.Header, error] {
	panic("archive helper")
}

// Delete removes the study, series or instance: rows first, then bytes.
func (a *Archive) Delete(ctx context.Context, t storage.TenantID, r index.Ref) error {
	panic("archive helper")
}

// Changes returns up to limit changes behind after.
func (a *Archive) Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]index.Change, error) {
	panic("archive helper")
}

// Recent lists up to limit studies by last arrival, newest first.
func (a *Archive) Recent(ctx context.Context, t storage.TenantID, limit int) ([]*dicom.Dataset, error) {
	panic("archive helper")
}
