// Package ingest brings what a site already has into the archive: folders, zips, media with a
// DICOMDIR, and the storage of an Orthanc. A Source walks, workers store what it finds through
// archive.Store, the same call as every door's, and a Result says what became of each file.
//
// What is no DICOM object is counted and left alone. A Journal lets a run that was cut short
// continue where it ended; without it everything is read again and found to be there already, so
// that nothing is lost or doubled either way.
//
// It leaves out: foreign images and slides, and the meaning of a DICOMDIR beyond its file list.
package ingest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Storer takes objects in: an archive.Archive, or a client of a server that has one.
type Storer interface {
	Store(ctx context.Context, t storage.TenantID, in archive.Incoming) (archive.Stored, error)
}

// Item is one file of a Source, or why there is none: then Err is set.
type Item struct {
	Path      string // for the operator's eyes; never for a log of the server
	Size      int64
	Cost      int64 // bytes of the source it takes: less than Size where that is compressed
	ModTime   time.Time
	SourceAET string // who sent it, when that is known
	Err       error

	open    func() (io.ReadCloser, error)
	checked bool   // the content has a checksum, and its reader ends in an error where it differs
	release func() // of what open needs; may be nil
}

// Source walks what there is to take in, one item after the other. What cannot be read is an
// item too, with its error.
type Source = iter.Seq[Item]

// Outcome says what became of an item.
type Outcome uint8

// The outcomes.
const (
	Stored    Outcome = iota
	Identical         // the same data set was there already
	Before            // done in an earlier run, by the journal
	Conflict          // another object is stored under its SOP Instance UID
	Refused           // the archive does not take it; the error's Kind says why
	NotDICOM
	Missing // a list names it, but it is not there
	Damaged // it is not what its container or index says it is
	Failed  // it could not be read or stored; another try may succeed
	outcomes
)

var outcomeNames = [outcomes]string{"stored", "identical", "before", "conflict", "refused", "not DICOM", "missing", "damaged", "failed"}

func (o Outcome) String() string { return outcomeNames[o] }

// Fine reports whether nothing is left to do about it.
func (o Outcome) Fine() bool { return o == Stored || o == Identical || o == Before || o == NotDICOM }

// Result is what became of one item.
type Result struct {
	Path    string
	Size    int64
	Cost    int64
	Outcome Outcome
	Err     error // set unless Stored, Identical or Before
	archive.Stored
}

// Summary counts results.
type Summary struct {
	Counts [outcomes]int64
	Bytes  int64 // of what was stored
}

// Count of one outcome.
func (s *Summary) Count(o Outcome) int64 { return s.Counts[o] }

// Fine reports whether everything was stored that is an object.
func (s *Summary) Fine() bool {
	for o, n := range s.Counts {
		if n > 0 && !Outcome(o).Fine() {
			return false
		}
	}
	return true
}

// Options of a run; the zero value is usable.
type Options struct {
	Workers int           // objects on their way at one time; default twice the cores, at least 8: most of them wait for the disk
	Journal *Journal      // what an earlier run did, and where this one notes what it does; default none
	Pause   time.Duration // before the second try when an engine is down, then twice that, ...; default 1 s
}

const (
	attempts = 4  // to store an object while an engine is down
	giveUp   = 16 // objects in a row for which all attempts failed end the run
)

// Run stores what src finds and tells each about every item, one at a time. Memory is bounded by
// the workers, each with one object's header and window. The error is why it ended early: ctx, a
// disk or quota that is full, or engines that stay down; what was told before it holds.
func Run(ctx context.Context, to Storer, t storage.TenantID, src Source, opt Options, each func(Result)) (Summary, error) {
	if opt.Workers <= 0 {
		opt.Workers = max(8, 2*runtime.NumCPU())
	}
	if opt.Pause <= 0 {
		opt.Pause = time.Second
	}
	group, gctx := errgroup.WithContext(ctx)
	r := &run{to: to, tenant: t, opt: opt, each: each}
	queue := make(chan Item, opt.Workers)
	group.Go(func() error {
		defer close(queue)
		for item := range src {
			select {
			case queue <- item:
			case <-gctx.Done():
				item.done()
				return errs.E(errs.Canceled, "ingest.Run", gctx.Err())
			}
		}
		return nil
	})
	for range opt.Workers {
		group.Go(func() error { return r.work(gctx, queue) })
	}
	err := group.Wait()
	for item := range queue { // left behind by workers that ended early
		item.done()
	}
	return r.summary, err
}

func (i *Item) done() {
	if i.release != nil {
		i.release()
	}
}

// run is one call of Run.
type run struct {
	to     Storer
	tenant storage.TenantID
	opt    Options
	down   atomic.Int32 // objects in a row that found an engine down

	mu      sync.Mutex
	summary Summary
	each    func(Result)
}

// work takes items until there are none, or until going on is pointless.
func (r *run) work(ctx context.Context, queue <-chan Item) error {
	for item := range queue {
		result := r.take(ctx, item)
		item.done()
		if ctx.Err() != nil && result.Outcome == Failed {
			return errs.E(errs.Canceled, "ingest.Run", ctx.Err()) // not its fault: the next run has it
		}
		if err := r.opt.Journal.note(item, result.Outcome); err != nil {
			return err
		}
		r.tell(result)
		if err := r.pointless(result); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) tell(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Counts[result.Outcome]++
	if result.Outcome == Stored {
		r.summary.Bytes += result.Size
	}
	if r.each != nil {
		r.each(result)
	}
}

// pointless returns why the run should end: what holds for this object holds for the next.
func (r *run) pointless(result Result) error {
	if result.Outcome != Failed {
		r.down.Store(0)
		return nil
	}
	switch errs.KindOf(result.Err) {
	case errs.Exhausted, errs.Unauthenticated, errs.Forbidden:
		return result.Err
	case errs.Unavailable:
		if r.down.Add(1) >= giveUp {
			return result.Err
		}
	}
	return nil
}

// take stores one item and says what became of it.
func (r *run) take(ctx context.Context, item Item) Result {
	result := Result{Path: item.Path, Size: item.Size, Cost: item.Cost}
	if item.Err != nil {
		result.Outcome, result.Err = unread(item.Err), item.Err
		return result
	}
	if r.opt.Journal.has(item) {
		result.Outcome = Before
		return result
	}
	pause := r.opt.Pause
	for attempt := 1; ; attempt++ {
		r.attempt(ctx, item, &result)
		if attempt == attempts || result.Outcome != Failed || !errs.Is(result.Err, errs.Unavailable) {
			return result
		}
		select {
		case <-ctx.Done():
			return result
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (r *run) attempt(ctx context.Context, item Item, result *Result) {
	f, err := item.open()
	if err != nil {
		result.Outcome, result.Err = unread(err), err
		return
	}
	defer f.Close()
	src := &source{r: f}
	// Larger reads go past the buffer, so that it costs nothing but the look at the beginning.
	head := bufio.NewReaderSize(src, headSize)
	begin, _ := head.Peek(headSize) // an error shows in src
	if err := recognise(begin); err != nil && src.err == nil {
		result.Outcome, result.Err = NotDICOM, err
		return
	}
	stored, err := r.to.Store(ctx, r.tenant, archive.Incoming{Data: head, SourceAET: item.SourceAET})
	result.Stored = stored
	if err != nil && item.checked && src.err == nil {
		_, _ = io.Copy(io.Discard, head) // an object that cannot be read, or not the one it was?
	}
	switch {
	case src.err != nil:
		result.Outcome, result.Err = unread(src.err), src.err
	case err != nil:
		result.Outcome, result.Err = refused(err), err
	case stored.Duplicate:
		result.Outcome, result.Err = Identical, nil
	default:
		result.Outcome, result.Err = Stored, nil
		result.Size = src.n
	}
}

// refused tells an object's fault from ours.
func refused(err error) Outcome {
	switch errs.KindOf(err) {
	case errs.Conflict:
		return Conflict
	case errs.Invalid, errs.Mismatch, errs.Unsupported:
		return Refused
	}
	return Failed
}

// unread says what an error of the source means.
func unread(err error) Outcome {
	switch {
	case errors.Is(err, errNotRegular):
		return NotDICOM
	case errs.Is(err, errs.NotFound):
		return Missing
	case errs.Is(err, errs.Unsupported):
		return Refused
	case errs.Is(err, errs.Invalid):
		return Damaged
	}
	return Failed
}

// source remembers the error of what is read, to tell it from the archive's; and so that the
// archive cannot take a file that broke off for an object that ends there.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		var known *errs.Error
		if !errors.As(err, &known) {
			err = errs.E(errs.Internal, "ingest.read", err)
		}
		s.err = err
	}
	return n, err
}
