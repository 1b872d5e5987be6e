package archive

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// ScrubReport says what a piece of scrubbing did.
type ScrubReport struct {
	Records    int   // read and compared
	Bytes      int64 // of them
	Damaged    int   // do not match their checksum
	Unreadable int   // could not be read, for now
	Finished   bool  // the round is at its end
}

// Marks of the ledger.
const (
	markScrub = "scrub" // the object the round has reached
	markBegun = "scrub-begun"
	markSweep = "sweep"
)

// ScrubOnce goes on with the round of scrubbing that was interrupted, or begins one when
// Config.ScrubEvery has passed since the last was begun; else it returns at once. The end of ctx
// interrupts it, which is no error. One node at a time should: it is to be called by a job.
func (a *Archive) ScrubOnce(ctx context.Context) (ScrubReport, error) {
	if a.cfg.Ledger == nil {
		return ScrubReport{}, errs.Errorf(errs.Unsupported, "archive.Scrub", "there is no ledger to keep account in")
	}
	after, err := a.cfg.Ledger.Mark(ctx, markScrub)
	if err != nil {
		return ScrubReport{}, err
	}
	if after == "" {
		begun, err := a.markedTime(ctx, markBegun)
		if err != nil || time.Since(begun) < a.cfg.ScrubEvery {
			return ScrubReport{Finished: true}, err
		}
		if err := a.markTime(ctx, markBegun, time.Now()); err != nil {
			return ScrubReport{}, err
		}
	}
	reached := func(k storage.Key) error {
		return a.cfg.Ledger.SetMark(context.WithoutCancel(ctx), markScrub, string(k))
	}
	report, err := a.Scrub(ctx, a.cfg.ScrubRate, storage.Key(after), reached)
	if err == nil && report.Finished {
		err = reached("")
	}
	return report, err
}

func (a *Archive) markedTime(ctx context.Context, name string) (time.Time, error) {
	s, err := a.cfg.Ledger.Mark(ctx, name)
	if err != nil || s == "" {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, errs.E(errs.Internal, "archive.mark", err)
}

func (a *Archive) markTime(ctx context.Context, name string, t time.Time) error {
	return a.cfg.Ledger.SetMark(ctx, name, t.UTC().Format(time.RFC3339Nano))
}

// Scrub reads every record of the objects whose key comes behind after and compares it with its
// checksum, at most rate bytes a second. It tells reached of objects that are done. What is
// damaged is remembered: reads of it are refused from then on. When ctx ends the report says
// that the round is not finished.
func (a *Archive) Scrub(ctx context.Context, rate int64, after storage.Key, reached func(storage.Key) error) (ScrubReport, error) {
	s := scrubber{a: a, pace: pace{rate: rate, begun: time.Now()}}
	from := func(k storage.Key) int64 {
		if k <= after && after != "" {
			return math.MaxInt64 // done before
		}
		return 0
	}
	var object storage.Key
	var last error // the walk may have ended with it
	for rec, err := range a.blobs.List(ctx, from) {
		if ctx.Err() != nil {
			return s.report, nil
		}
		if last = err; err != nil {
			s.report.Unreadable++
			a.log.Error("a storage object could not be read; see fsck", "err", err)
			continue
		}
		if k := rec.Location.Object; k != object {
			if object != "" && reached != nil {
				if err := reached(object); err != nil {
					return s.report, err
				}
			}
			object = k
		}
		if err := s.record(ctx, rec); err != nil {
			if ctx.Err() != nil {
				return s.report, nil
			}
			return s.report, err
		}
	}
	if ctx.Err() != nil {
		return s.report, nil
	}
	s.report.Finished = last == nil
	return s.report, last
}

type scrubber struct {
	a      *Archive
	report ScrubReport
	pace   pace
	buf    [128 << 10]byte

	failed   storage.Key // the last object that could not be read
	failures int         // such objects in a row
}

// maxFailures is how many objects in a row may be unreadable before the engine is to blame.
const maxFailures = 10

// record compares one. Only an engine that cannot be reached is an error.
func (s *scrubber) record(ctx context.Context, rec blob.Record) error {
	sum, err := s.sum(ctx, rec.Location)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errs.Is(err, errs.NotFound):
		return nil // erased meanwhile
	case err != nil:
		s.report.Unreadable++
		if k := rec.Location.Object; k != s.failed {
			s.failed = k
			if s.failures++; s.failures > maxFailures {
				return err // it is the engine
			}
		}
		s.a.log.Error("a stored object could not be read", "object", string(rec.Location.Object), "offset", rec.Location.Offset, "err", err)
		return nil
	}
	s.failed, s.failures = "", 0
	s.report.Records++
	s.report.Bytes += rec.Location.Length
	// A second look by the engine itself: what was wrong on the way only is not damage.
	damaged := sum != rec.CRC32C && errs.Is(s.a.blobs.Verify(ctx, rec.Location), errs.Invalid)
	if damaged {
		s.report.Damaged++
	}
	s.a.found(ctx, rec.Location, damaged)
	return nil
}

func (s *scrubber) sum(ctx context.Context, l blob.Location) (uint32, error) {
	r, err := s.a.blobs.Open(ctx, l, 0, -1)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var sum uint32
	for {
		n, err := r.Read(s.buf[:])
		sum = crc32.Update(sum, castagnoli, s.buf[:n])
		s.a.metrics.scrubbed.Add(float64(n))
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
		if err := s.pace.wait(ctx, n); err != nil {
			return 0, err
		}
	}
}

// pace spreads bytes over time.
type pace struct {
	rate  int64 // a second; 0: as fast as can be
	begun time.Time
	bytes int64
}

// wait returns when n more bytes may be read.
func (p *pace) wait(ctx context.Context, n int) error {
	p.bytes += int64(n)
	if p.rate <= 0 {
		return ctx.Err()
	}
	due := p.begun.Add(time.Duration(float64(p.bytes) / float64(p.rate) * float64(time.Second)))
	d := time.Until(due)
	if d < 10*time.Millisecond { // a timer is not finer
		if d < -time.Second { // what was lost while the medium was slow is not caught up
			p.begun, p.bytes = time.Now(), 0
		}
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
