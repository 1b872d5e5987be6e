package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Changes is what a Feed reads: a part of index.Index.
type Changes interface {
	Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]index.Change, error)
}

// syncer is an index whose newest changes could be lost in a power cut, and which can prevent it.
type syncer interface {
	Sync(ctx context.Context) error
}

// FeedConfig configures a Feed. The zero value is usable.
type FeedConfig struct {
	// Poll is how often other nodes' changes are looked for while somebody waits; default
	// 500 ms. Where nothing comes it slows down to four times that.
	Poll time.Duration
	// Gather is how long changes are left to come together after a wake-up; default 20 ms.
	Gather time.Duration
	// Timeout bounds one question to the index; default 15 s.
	Timeout time.Duration
	Log     *slog.Logger // default slog.Default()
}

// Feed reads the changes of the index as events. However many wait for the next one, the index
// is asked by one loop, Run. Safe for concurrent use; it holds no events.
type Feed struct {
	cfg   FeedConfig
	index Changes

	notified chan struct{} // one token: something may have changed

	mu      sync.Mutex
	heads   map[storage.TenantID]*head
	stopped chan struct{}
}

// head is where somebody waits.
type head struct {
	sequence int64         // the feed is at least this long
	changed  chan struct{} // closed when it is longer
	waiting  int
}

// NewFeed returns the feed of an index.
func NewFeed(cfg FeedConfig, ix Changes) *Feed {
	if cfg.Poll <= 0 {
		cfg.Poll = 500 * time.Millisecond
	}
	if cfg.Gather <= 0 {
		cfg.Gather = 20 * time.Millisecond
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 15 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Feed{
		cfg: cfg, index: ix, notified: make(chan struct{}, 1),
		heads: make(map[storage.TenantID]*head), stopped: make(chan struct{}),
	}
}

// Read returns up to limit events after the sequence number, without a gap, and only what no
// power cut can take back.
func (f *Feed) Read(ctx context.Context, t storage.TenantID, after int64, limit int) ([]Event, error) {
	const op = "events.Read"
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	changes, err := f.index.Changes(ctx, t, after, limit)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	if s, ok := f.index.(syncer); ok {
		if err := s.Sync(ctx); err != nil {
			return nil, err
		}
	}
	if changes[0].Sequence != after+1 {
		// The feed of an index that was made anew begins behind that of the old one.
		first, err := f.index.Changes(ctx, t, 0, 1)
		if err != nil {
			return nil, err
		}
		if len(first) > 0 && first[0].Sequence > after {
			after = first[0].Sequence - 1
		}
	}
	out := make([]Event, 0, len(changes))
	for _, c := range changes {
		if c.Sequence != after+1 {
			break // an engine's mistake: better late than skipped
		}
		after++
		out = append(out, Event{Tenant: t, Sequence: c.Sequence, Time: c.Time, Type: types[c.Kind], Ref: c.Ref, SOPClassUID: c.SOPClassUID})
	}
	if len(out) == 0 {
		return nil, errs.Errorf(errs.Internal, op, "the feed has a gap after %d", after)
	}
	return out, nil
}

// Last returns the sequence number of the newest event, 0 when there is none. The feed has no
// gaps, so a few looks find its end.
func (f *Feed) Last(ctx context.Context, t storage.TenantID) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	f.mu.Lock()
	low := int64(0) // the feed is at least this long
	if h := f.heads[t]; h != nil {
		low = h.sequence
	}
	f.mu.Unlock()
	step := int64(1)
	high := int64(-1) // and shorter than this, once known
	for high < 0 || high-low > 1 {
		probe := low + step
		if high >= 0 {
			probe = low + (high-low)/2
		}
		longer, err := f.longer(ctx, t, probe-1)
		switch {
		case err != nil:
			return 0, err
		case longer:
			low, step = probe, step*2
		default:
			high = probe
		}
	}
	return low, nil
}

func (f *Feed) longer(ctx context.Context, t storage.TenantID, than int64) (bool, error) {
	cs, err := f.index.Changes(ctx, t, than, 1)
	return len(cs) > 0, err
}

// Reaches reports whether the feed is at least as long: a cursor beyond its end belongs to an
// index that was rebuilt or restored since.
func (f *Feed) Reaches(ctx context.Context, t storage.TenantID, sequence int64) (bool, error) {
	if sequence <= 0 {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	return f.longer(ctx, t, sequence-1)
}

// Notify says that something may have changed here, so that nobody waits for the next poll. It
// costs next to nothing and never blocks.
func (f *Feed) Notify() {
	select {
	case f.notified <- struct{}{}:
	default:
	}
}

// Wait returns when the feed of the tenant may be longer than after, which it must have reached;
// or when ctx ends, or Run has ended (errs.Unavailable).
func (f *Feed) Wait(ctx context.Context, t storage.TenantID, after int64) error {
	const op = "events.Wait"
	f.mu.Lock()
	h := f.heads[t]
	if h == nil {
		h = &head{sequence: after, changed: make(chan struct{})}
		f.heads[t] = h
	}
	h.waiting++
	h.reached(after) // who is farther tells the others
	longer, changed := h.sequence > after, h.changed
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		h.waiting--
		f.mu.Unlock()
	}()
	if longer {
		return nil
	}
	f.Notify() // Run may rest because nobody waited
	select {
	case <-changed:
		return nil
	case <-f.stopped:
		return errs.Errorf(errs.Unavailable, op, "the server is stopping")
	case <-ctx.Done():
		return errs.E(errs.Canceled, op, ctx.Err())
	}
}

// Run looks for changes while somebody waits, until ctx ends; then everybody is sent away. It is
// called once.
func (f *Feed) Run(ctx context.Context) error {
	defer close(f.stopped)
	pause := f.cfg.Poll
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.notified:
			if !sleep(ctx, f.cfg.Gather) {
				return nil
			}
		case <-timer.C:
		}
		waited, changed := f.look(ctx)
		switch {
		case changed:
			pause = f.cfg.Poll
		default:
			pause = min(pause+pause/4, 4*f.cfg.Poll)
		}
		if waited {
			timer.Reset(pause)
		} // else nothing is due until somebody waits, who will notify
	}
}

// look asks the index once for every tenant somebody waits for.
func (f *Feed) look(ctx context.Context) (waited, changed bool) {
	for t, after := range f.waiting() {
		waited = true
		qctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
		longer, err := f.longer(qctx, t, after)
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			f.cfg.Log.Warn("looking for changes failed", "tenant", t, "err", err)
		case longer:
			changed = true
			f.advance(t, after+1)
		}
	}
	return waited, changed
}

// waiting lists where the tenants stand that somebody waits for, and forgets the others.
func (f *Feed) waiting() map[storage.TenantID]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[storage.TenantID]int64, len(f.heads))
	for t, h := range f.heads {
		if h.waiting == 0 {
			delete(f.heads, t)
			continue
		}
		out[t] = h.sequence
	}
	return out
}

func (f *Feed) advance(t storage.TenantID, sequence int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.heads[t]; h != nil {
		h.reached(sequence)
	}
}

func (h *head) reached(sequence int64) {
	if sequence > h.sequence {
		h.sequence = sequence
		close(h.changed)
		h.changed = make(chan struct{})
	}
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
