// Package archive has the use cases of the archive, one file each: store, find, open, frames,
// metadata, delete, recover, fsck. Doors call it with a tenant and a context and translate its
// errors (errs.Kind); it knows neither HTTP nor DIMSE nor SQL.
//
// The order of a store is blob, index, reply; the order of a deletion is index, blob. What a
// crash leaves between two steps is finished by Recover at the next start.
package archive

import (
	"context"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/gzipped"
	"github.com/aurelius-imaging/aurelius/platform/cache"
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
	FrameCache    int64 // bytes of frame tables kept; default 8 MiB
	// Codecs decode and encode frames; nil: pixels go out as they came in. Decoding bounds the
	// bytes of frames that are worked on at a time, default 512 MiB; TranscodedCache those of
	// frames kept in another syntax than they are stored in, and of pictures; default 64 MiB.
	Codecs          *codec.Registry
	Decoding        int64
	TranscodedCache int64
	Logger          *slog.Logger          // default: discard
	Metrics         prometheus.Registerer // default: none
	Auditor         Auditor               // default: none
	// Recompress is the transfer syntax, a lossless one, that native images are brought to at rest
	// when they were stored RecompressAfter ago; default: they stay as received.
	Recompress      string
	RecompressAfter time.Duration
	// Changed is called when the feed of changes has grown; default: nobody is told. It must not
	// block.
	Changed func()

	// Shared has the metadata of a series that still grows made once for all nodes; nil: each
	// node makes its own.
	Shared cache.Cache
	// Derived keeps what is made of quiet series; nil: nothing is. A series is sealed when it has
	// been quiet for SealAfter (default 1 min), in the Form (default: the first asked for).
	Derived   blob.Store
	SealAfter time.Duration
	Form      Form

	// Trash is how long what was deleted can be brought back; 0: it is gone at once.
	Trash time.Duration
	// Quota returns how much a tenant may keep; 0 is without limit. Default: without limit.
	Quota func(storage.TenantID) (bytes, instances int64)
	// Space measures the medium (blob.Spacer); default: it is not watched. Objects are refused
	// from the time less than LowWater is free (default 2 % or 1 GiB, the smaller one) until
	// HighWater is (default twice that).
	Space               func(context.Context) (free, total int64, err error)
	LowWater, HighWater int64
	Remeasure           time.Duration // how old a measurement may be; default 1 s, negative: always measured
	// Ledger remembers what care has found; default: none, and then nothing is scrubbed.
	Ledger     Ledger
	ScrubEvery time.Duration // a round of scrubbing; default 30 days
	ScrubRate  int64         // bytes a second; default 20 MiB
	// Grace is how old a record without a row must be on a shared store to be an orphan; default
	// 1 h, negative: no other node writes to the store.
	Grace time.Duration
}

// lookCache bounds what headers say about display that is kept: of some hundred images, or of a
// few with thousands of frames.
const lookCache = 32 << 20

// Archive is safe for concurrent use; memory is bounded per call by Config.Limits.
type Archive struct {
	cfg      Config
	blobs    blob.Store
	index    index.Index
	log      *slog.Logger
	metrics  *metrics
	metadata *lru[metadataKey, gzipped.Piece]
	frames   *lru[frameKey, frameTable]
	building singleflight.Group
	compute  compute
	recoded  *cache.Memory // frames in another syntax, and pictures of them
	looks    *lru[blob.Location, *look]
	unfit    *lru[blob.Location, error] // objects that could not be recoded to their end, and why
	renderer render.Renderer
	form     atomic.Pointer[Form] // of what is sealed, once it is known
	kick     chan struct{}        // wakes the eraser
	quotas   quotas
	space    space
	damage   damage

	unsealable unsealable
}

// New returns an archive over its two stores. Call Recover before the first Store.
func New(cfg Config, blobs blob.Store, ix index.Index) *Archive {
	if cfg.MetadataCache == 0 {
		cfg.MetadataCache = 32 << 20
	}
	if cfg.FrameCache == 0 {
		cfg.FrameCache = 8 << 20
	}
	if cfg.TranscodedCache == 0 {
		cfg.TranscodedCache = 64 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.SealAfter == 0 {
		cfg.SealAfter = time.Minute
	}
	if cfg.Remeasure == 0 {
		cfg.Remeasure = time.Second
	}
	if cfg.ScrubEvery == 0 {
		cfg.ScrubEvery = 30 * 24 * time.Hour
	}
	if cfg.ScrubRate == 0 {
		cfg.ScrubRate = 20 << 20
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	a := &Archive{
		cfg: cfg, blobs: blobs, index: ix, log: cfg.Logger, metrics: newMetrics(cfg.Metrics),
		metadata: newLRU[metadataKey, gzipped.Piece](cfg.MetadataCache),
		frames:   newLRU[frameKey, frameTable](cfg.FrameCache),
		compute:  newCompute(cfg.Decoding),
		recoded:  cache.NewMemory(cfg.TranscodedCache),
		looks:    newLRU[blob.Location, *look](lookCache),
		unfit:    newLRU[blob.Location, error](unfitCache),
		kick:     make(chan struct{}, 1),
		quotas:   quotas{index: ix},
	}
	a.space.a = a
	if cfg.Form.New != nil {
		a.form.Store(&cfg.Form)
	}
	return a
}

// Find answers a query; see index.Index.
func (a *Archive) Find(ctx context.Context, t storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error] {
	a.audit(ctx, Access{Tenant: t, Action: Searched})
	return a.index.Find(ctx, t, q)
}

// Count counts matches without limit and offset.
func (a *Archive) Count(ctx context.Context, t storage.TenantID, q *query.Query) (int64, error) {
	return a.index.Count(ctx, t, q)
}

// Select lists the instances under r, for retrieval. None is errs.NotFound.
func (a *Archive) Select(ctx context.Context, t storage.TenantID, r index.Ref) ([]index.Entry, error) {
	return a.locate(ctx, t, r, 0)
}

func (a *Archive) locate(ctx context.Context, t storage.TenantID, r index.Ref, f index.Fields) ([]index.Entry, error) {
	var out []index.Entry
	for e, err := range a.index.Locate(ctx, t, r, f) {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, errs.Errorf(errs.NotFound, "archive.Select", "no such study, series or instance")
	}
	return out, nil
}

// one locates a single instance.
func (a *Archive) one(ctx context.Context, t storage.TenantID, r index.Ref, f index.Fields) (index.Entry, error) {
	if r.SOPInstanceUID == "" {
		return index.Entry{}, errs.Errorf(errs.Invalid, "archive", "SOPInstanceUID is missing")
	}
	found, err := a.locate(ctx, t, r, f)
	if err != nil {
		return index.Entry{}, err
	}
	return found[0], nil
}

// Changes returns up to limit changes behind after.
func (a *Archive) Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]index.Change, error) {
	return a.index.Changes(ctx, t, after, limit)
}

// Recent lists up to limit studies by last arrival, newest first.
func (a *Archive) Recent(ctx context.Context, t storage.TenantID, limit int) ([]*dicom.Dataset, error) {
	return a.index.Recent(ctx, t, limit)
}
