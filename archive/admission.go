package archive

import (
	"context"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// admit says whether another object may be taken in: the medium has room, and the tenant has not
// used up what it may keep. It looks at what was measured a moment ago, so both limits are
// passed by what is on its way in at that time (one object per association, several parts of a
// request at once) and what came in since the last look.
func (a *Archive) admit(ctx context.Context, t storage.TenantID) error {
	if a.space.refuses(ctx) {
		return errs.Errorf(errs.Exhausted, "archive.Store", "storage is nearly full")
	}
	if a.cfg.Quota == nil {
		return nil
	}
	bytes, instances := a.cfg.Quota(t)
	if bytes <= 0 && instances <= 0 {
		return nil
	}
	used, err := a.quotas.used(ctx, t)
	if err != nil {
		return err
	}
	if bytes > 0 && used.Bytes >= bytes || instances > 0 && used.Instances >= instances {
		return errs.Errorf(errs.Exhausted, "archive.Store", "the quota is used up")
	}
	return nil
}

// Usage returns what the tenant keeps.
func (a *Archive) Usage(ctx context.Context, t storage.TenantID) (index.Usage, error) {
	return a.index.Usage(ctx, t)
}

// usageAge is how old a usage may be that a store is measured against. What this node took in
// since is added to it; what others took in is the overshoot.
const usageAge = 2 * time.Second

// maxMetered bounds the tenants whose usage is remembered.
const maxMetered = 10_000

// quotas remembers what tenants keep. Safe for concurrent use.
type quotas struct {
	index index.Index
	mu    sync.Mutex
	byID  map[storage.TenantID]*metered
}

type metered struct {
	index.Usage
	read time.Time
}

func (q *quotas) used(ctx context.Context, t storage.TenantID) (index.Usage, error) {
	q.mu.Lock()
	if m := q.byID[t]; m != nil && time.Since(m.read) < usageAge {
		defer q.mu.Unlock()
		return m.Usage, nil
	}
	q.mu.Unlock()
	now := time.Now()
	u, err := q.index.Usage(ctx, t)
	if err != nil {
		return u, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.byID == nil || len(q.byID) >= maxMetered {
		q.byID = make(map[storage.TenantID]*metered)
	}
	q.byID[t] = &metered{u, now}
	return u, nil
}

// count adds an object that was stored.
func (q *quotas) count(t storage.TenantID, size int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if m := q.byID[t]; m != nil {
		m.Instances, m.Bytes = m.Instances+1, m.Bytes+size
	}
}

// refresh has the usage read anew, so that what was deleted counts at once.
func (q *quotas) refresh(t storage.TenantID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.byID, t)
}

// space watches the medium: it refuses from the moment less than low is free until more than high
// is, so that a store that hovers at the mark does not flap. Safe for concurrent use.
type space struct {
	a    *Archive
	mu   sync.Mutex
	read time.Time
	full bool
}

// refuses measures when the last time was long ago. A medium that cannot be measured is not
// refused: then Commit finds out.
func (s *space) refuses(ctx context.Context) bool {
	if s.a.cfg.Space == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.read) < s.a.cfg.Remeasure {
		return s.full
	}
	free, total, err := s.a.cfg.Space(ctx)
	s.read = time.Now()
	if err != nil {
		s.a.log.Warn("measuring free space failed", "err", err)
		return s.full
	}
	low, high := s.marks(total)
	switch {
	case !s.full && free < low:
		s.full = true
		s.a.log.Warn("storage is nearly full: objects are refused", "free", free, "low", low, "total", total)
	case s.full && free >= high:
		s.full = false
		s.a.log.Info("storage has room again: objects are taken", "free", free, "high", high, "total", total)
	}
	s.a.metrics.measured(free, total, s.full)
	return s.full
}

// marks returns the watermarks for a medium of the size.
func (s *space) marks(total int64) (low, high int64) {
	low, high = s.a.cfg.LowWater, s.a.cfg.HighWater
	if low <= 0 {
		low = min(total/50, 1<<30)
	}
	if high <= low {
		high = 2 * low
	}
	return low, high
}
