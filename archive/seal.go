package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/gzipped"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// A series that is quiet is sealed: its metadata is compressed once and kept in the store of
// derived objects, to be served as it lies. The order is blob, index, as with instances; a change
// of the series makes its seal stale in the same transaction, and then the bytes are erased. So a
// crash leaves one of three things: a series without seal, which is sealed again; an object
// without seal, which SweepSeals finds; a stale one, which is on the index's list. A seal whose
// object cannot be read costs time only: everything in it can be made again.

// sealsPerTick bounds a round of Run, which has other things to do: some 30,000 series an hour.
const sealsPerTick = 100

// SealOnce seals up to limit series that are quiet and erases what is stale; Run calls it. It
// returns how many it sealed. Several nodes may do it at once: the work may be done twice, the
// seal counts once.
func (a *Archive) SealOnce(ctx context.Context, limit int) (int, error) {
	f := a.form.Load()
	if a.cfg.Derived == nil {
		return 0, nil
	}
	if f == nil { // nobody has asked for metadata yet
		return 0, a.eraseSeals(ctx)
	}
	rest := a.unsealable.resting()
	open, err := a.index.Unsealed(ctx, time.Now().Add(-a.cfg.SealAfter), limit+len(rest))
	if err != nil {
		return 0, err
	}
	n := 0
	var failed error
	for t, list := range open {
		// Nodes that do this at the same time begin with different ones.
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, s := range list {
			if ctx.Err() != nil {
				return n, errs.E(errs.Canceled, "archive.SealOnce", ctx.Err())
			}
			key := sealKey{t, seriesRef(s), s.Revision}
			if rest[key] {
				continue
			}
			_, done, err := a.seal(ctx, t, s, *f)
			if err != nil { // one series that cannot be sealed must not keep the others from it
				failed = err
				if !unknown(err) {
					a.unsealable.add(key)
				}
			} else if done {
				n++
			}
		}
	}
	return n, errors.Join(failed, a.eraseSeals(ctx))
}

// unsealable are series that could not be sealed in the state they are in, because a header
// cannot be read, say. They rest for an hour: tried at every tick they would fill the log and
// take the place of others. Safe for concurrent use.
type unsealable struct {
	mu    sync.Mutex
	until map[sealKey]time.Time
}

type sealKey struct {
	tenant   storage.TenantID
	series   index.Ref
	revision int64
}

const (
	sealRest = time.Hour
	// maxUnsealable is less than an index lists at once (1000).
	maxUnsealable = 800
)

func (u *unsealable) add(k sealKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.until == nil || len(u.until) >= maxUnsealable {
		u.until = make(map[sealKey]time.Time)
	}
	u.until[k] = time.Now().Add(sealRest)
}

// resting lists those whose time has not passed.
func (u *unsealable) resting() map[sealKey]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make(map[sealKey]bool, len(u.until))
	now := time.Now()
	for k, until := range u.until {
		if now.After(until) {
			delete(u.until, k)
			continue
		}
		out[k] = true
	}
	return out
}

// seal makes, stores and records the metadata of a series in the state given; not done: the
// series has changed meanwhile, or another node was faster.
func (a *Archive) seal(ctx context.Context, t storage.TenantID, s index.SeriesState, f Form) (p gzipped.Piece, done bool, err error) {
	now, err := a.index.Series(ctx, t, seriesRef(s))
	if err != nil || len(now) != 1 || now[0].Revision != s.Revision || !sameSeal(now[0], s) {
		return p, false, err
	}
	if p, err = a.buildMetadata(ctx, t, s, f, gzipped.Small); err != nil {
		return p, false, err
	}
	// What is durable must be recorded, or erased: not to be cut short.
	ctx = context.WithoutCancel(ctx)
	w, err := a.cfg.Derived.Create(ctx, t)
	if err != nil {
		return p, false, err
	}
	defer w.Abort()
	object := appendSealed(make([]byte, 0, len(p.Blocks)+sealTrailer), p)
	if _, err := w.Write(object); err != nil {
		return p, false, err
	}
	rec, err := w.Commit(ctx)
	if err != nil {
		return p, false, err
	}
	done, err = a.index.Seal(ctx, t, s, index.Seal{Revision: s.Revision, Metadata: rec.Location, ETag: sealTag(object, s.Revision, f)})
	if err == nil && !done {
		err = a.cfg.Derived.Erase(ctx, rec.Location)
	}
	return p, done, err
}

func sameSeal(a, b index.SeriesState) bool {
	if a.Sealed == nil || b.Sealed == nil {
		return a.Sealed == b.Sealed
	}
	return *a.Sealed == *b.Sealed
}

// A sealed object is the blocks of a piece, followed by the length and checksum of its text.
const sealTrailer = 8 + 4

func appendSealed(dst []byte, p gzipped.Piece) []byte {
	dst = append(dst, p.Blocks...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Size))
	return binary.LittleEndian.AppendUint32(dst, p.CRC32)
}

// sealTag names a sealed object, "checksum-revision-form": the first part tells damage, the last
// a form that has changed.
func sealTag(object []byte, revision int64, f Form) string {
	return fmt.Sprintf(`"%08x-%s%s`, crc32.Checksum(object, castagnoli), strconv.FormatInt(revision, 36), f.suffix())
}

func (f Form) suffix() string {
	sum := fnv.New64a()
	_, _ = io.WriteString(sum, f.Name)
	return "-" + strconv.FormatUint(sum.Sum64(), 36) + `"`
}

// obtainMetadata reads the seal of a series or, where there is none, makes its metadata. A seal
// that is damaged, lost (the derived store was not in the backup) or of a former form is made
// anew.
func (a *Archive) obtainMetadata(ctx context.Context, t storage.TenantID, s index.SeriesState, f Form) (gzipped.Piece, error) {
	if s.Sealed == nil || a.cfg.Derived == nil {
		return a.growingMetadata(ctx, t, s, f)
	}
	if f.Sealed(s) {
		p, err := a.readSeal(ctx, *s.Sealed)
		if err == nil {
			return p, nil
		}
		a.log.Warn("a sealed object cannot be read; the headers are", "err", err)
		if errs.Is(err, errs.Unavailable) {
			return a.growingMetadata(ctx, t, s, f)
		}
	} else if f.Name != a.form.Load().Name { // for somebody who comes by another URL
		return a.growingMetadata(ctx, t, s, f)
	}
	p, done, err := a.seal(ctx, t, s, f)
	if err != nil {
		a.log.Warn("sealing failed, will be tried again", "err", err)
	}
	if !done {
		return a.growingMetadata(ctx, t, s, f)
	}
	return p, nil
}

// readSeal reads a sealed object and checks it.
func (a *Archive) readSeal(ctx context.Context, s index.Seal) (gzipped.Piece, error) {
	const op = "archive.readSeal"
	if s.Metadata.Length < sealTrailer || s.Metadata.Length > maxSealed {
		return gzipped.Piece{}, errs.Errorf(errs.Invalid, op, "a sealed object of %d bytes", s.Metadata.Length)
	}
	r, err := a.cfg.Derived.Open(ctx, s.Metadata, 0, -1)
	if err != nil {
		return gzipped.Piece{}, err
	}
	defer r.Close()
	object := make([]byte, s.Metadata.Length)
	if _, err := io.ReadFull(r, object); err != nil {
		return gzipped.Piece{}, fmt.Errorf("%s: %w", op, err)
	}
	if sum := fmt.Sprintf(`"%08x-`, crc32.Checksum(object, castagnoli)); len(s.ETag) < len(sum) || s.ETag[:len(sum)] != sum {
		return gzipped.Piece{}, errs.Errorf(errs.Invalid, op, "a sealed object is damaged")
	}
	return parseSealed(object), nil
}

// parseSealed is appendSealed read, of at least sealTrailer bytes.
func parseSealed(object []byte) gzipped.Piece {
	blocks, trailer := object[:len(object)-sealTrailer], object[len(object)-sealTrailer:]
	return gzipped.Piece{Blocks: blocks, Size: int64(binary.LittleEndian.Uint64(trailer)), CRC32: binary.LittleEndian.Uint32(trailer[8:])}
}

// maxSealed is more than the metadata of any series: 100,000 instances take some 15 MB.
const maxSealed = 1 << 30

// eraseSeals removes derived objects that no series uses any more.
func (a *Archive) eraseSeals(ctx context.Context) error {
	if a.cfg.Derived == nil {
		return nil
	}
	stale, err := a.index.StaleSeals(ctx)
	if err != nil || len(stale) == 0 {
		return err
	}
	return eraseEach(ctx, a.cfg.Derived, stale, a.index.SealsErased)
}

// unseal erases at once what a deletion has made stale; what cannot be erased yet is left to the
// eraser.
func (a *Archive) unseal(ctx context.Context) {
	if err := a.eraseSeals(ctx); err != nil {
		if !errs.Is(err, errs.Unavailable) {
			a.log.Error("erasing what was derived failed, will be tried again", "err", err)
		}
		a.wake()
	}
}

// SweepSeals erases derived objects that no seal names, left behind by a crash between object
// and seal. Those younger than Config.Grace are left alone: they may be on their way. It walks
// them all. On files Run does it once; on shared media a job is to call it now and then.
func (a *Archive) SweepSeals(ctx context.Context) (int, error) {
	return a.sweepSeals(ctx, time.Now().Add(-max(a.cfg.Grace, 0)))
}

// sweepBefore erases what processes before this one have left behind, where no others can be.
func (a *Archive) sweepBefore(ctx context.Context, begun time.Time) (done bool) {
	if _, shared := a.cfg.Derived.(blob.SinceLister); shared {
		return true
	}
	_, err := a.sweepSeals(ctx, begun)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("sweeping what was derived failed, will be tried again", "err", err)
	}
	return err == nil
}

func (a *Archive) sweepSeals(ctx context.Context, before time.Time) (int, error) {
	orphans, err := a.derivedOrphans(ctx, before)
	if err != nil {
		return 0, err
	}
	n := 0
	err = eraseEach(ctx, a.cfg.Derived, orphans, func(_ context.Context, ls []blob.Location) error {
		n += len(ls)
		return nil
	})
	return n, err
}

// derivedOrphans lists derived objects, made before then, that no seal names.
func (a *Archive) derivedOrphans(ctx context.Context, before time.Time) ([]blob.Location, error) {
	if a.cfg.Derived == nil {
		return nil, nil
	}
	var orphans []blob.Location
	for rec, err := range a.cfg.Derived.List(ctx, nil) {
		if err != nil {
			return nil, err
		}
		if rec.Received.After(before) {
			continue
		}
		named, err := a.index.HasSeal(ctx, rec.Location)
		if err != nil {
			return nil, err
		}
		if !named {
			orphans = append(orphans, rec.Location)
		}
	}
	return orphans, nil
}
