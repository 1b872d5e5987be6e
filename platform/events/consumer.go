package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Consumer is one that must not miss an event.
type Consumer struct {
	Name   string // of its cursor: "kafka/default"
	Tenant storage.TenantID
	Types  Types // others are passed over
	// FromNow: who was never heard of begins with what comes next; false: with the first event.
	FromNow bool
	Batch   int // most events at one time; default 200
	// Deliver takes over the events, in their order; it is called for the same again until it
	// returns nil, and maybe once more after a crash. ErrStop ends the consumer.
	Deliver func(ctx context.Context, batch []Event) error

	existing bool // its cursor is made and deleted by others
}

// ErrStop is what a Deliver returns that wants no more events.
var ErrStop = errors.New("events: the consumer wants no more")

// errLost ends the service of a consumer on this node.
var errLost = errors.New("events: another node serves the consumer")

// Run serves the consumer while no other node does, until ctx ends or Deliver returns ErrStop.
func (c *Cursors) Run(ctx context.Context, consumer Consumer) error {
	if consumer.Batch <= 0 {
		consumer.Batch = 200
	}
	failing := false
	for {
		l, err := c.take(ctx, &consumer)
		if err != nil && ctx.Err() == nil && !failing {
			c.cfg.Log.Warn("taking over an event consumer failed", "consumer", consumer.Name, "err", err)
		}
		failing = err != nil
		if l != nil {
			s := &session{cursors: c, consumer: &consumer, lease: l}
			if err := s.serve(ctx); errors.Is(err, ErrStop) {
				return nil
			}
		}
		if !sleep(ctx, c.cfg.Lease/3) {
			return nil
		}
	}
}

// session is a consumer while it is served by this node: one goroutine delivers, another holds
// the lease.
type session struct {
	cursors  *Cursors
	consumer *Consumer

	mu    sync.Mutex
	lease *lease
}

func (s *session) serve(ctx context.Context) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var keeper sync.WaitGroup
	keeper.Go(func() {
		s.holdLease(inner)
		cancel() // no delivery without a lease
	})
	err := s.deliver(inner, s.lease.sequence)
	cancel()
	keeper.Wait()
	if !errors.Is(err, errLost) {
		// Fails where the lease was lost meanwhile, and then nothing is to be given back.
		_ = s.cursors.drop(ctx, s.lease)
	}
	return err
}

// holdLease renews the lease until ctx ends or the lease cannot be held. It ends before the
// lease does, so that a delivery is broken off before another node begins.
func (s *session) holdLease(ctx context.Context) {
	term := s.cursors.cfg.Lease
	pause := term / 3
	for sleep(ctx, pause) {
		left := time.Until(s.ends()) - term/6
		if left <= 0 {
			return
		}
		attempt, cancel := context.WithTimeout(ctx, left)
		ours, err := s.keep(attempt, nil)
		cancel()
		if !ours {
			return
		}
		if pause = term / 3; err != nil {
			pause = term / 15
		}
	}
}

func (s *session) ends() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease.ends
}

// keep notes what change does to the lease, and writes it.
func (s *session) keep(ctx context.Context, change func(*lease)) (ours bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if change != nil {
		change(s.lease)
	}
	return s.cursors.keep(ctx, s.lease)
}

// deliver hands over what comes after the sequence number.
func (s *session) deliver(ctx context.Context, at int64) error {
	feed, tenant := s.cursors.feed, s.consumer.Tenant
	err := s.insist(ctx, func() error {
		ok, err := feed.Reaches(ctx, tenant, at)
		if err == nil && !ok {
			err = errs.Errorf(errs.Conflict, "events.deliver",
				"the feed is shorter than what was delivered: the index was rebuilt or restored, the cursor must be moved")
		}
		return err
	})
	for err == nil {
		var batch []Event
		if err = s.insist(ctx, func() (err error) {
			batch, err = feed.Read(ctx, tenant, at, s.consumer.Batch)
			return err
		}); err != nil {
			break
		}
		if len(batch) == 0 {
			err = feed.Wait(ctx, tenant, at)
			continue
		}
		wanted := s.wanted(batch)
		if len(wanted) > 0 {
			if err = s.insist(ctx, func() error { return s.consumer.Deliver(ctx, wanted) }); err != nil {
				break
			}
		}
		at = batch[len(batch)-1].Sequence
		err = s.delivered(ctx, at, len(wanted) > 0)
	}
	return err
}

func (s *session) wanted(batch []Event) []Event {
	if len(s.consumer.Types) == 0 {
		return batch
	}
	var out []Event
	for _, e := range batch {
		if s.consumer.Types.Match(e.Type) {
			out = append(out, e)
		}
	}
	return out
}

// delivered moves the cursor. What was only passed over is written with the next renewal.
func (s *session) delivered(ctx context.Context, at int64, any bool) error {
	if !any {
		s.mu.Lock()
		s.lease.sequence = at
		s.mu.Unlock()
		return nil
	}
	// It has happened: the end of ctx is no reason to do it again later.
	ours, err := s.keep(context.WithoutCancel(ctx), func(l *lease) {
		l.sequence, l.succeeded = at, time.Now().UnixNano()
		l.failedAt, l.failure = 0, ""
	})
	if !ours {
		return errLost
	}
	if err != nil { // the next renewal writes it, or the lease ends
		s.cursors.cfg.Log.Warn("moving an event cursor failed", "consumer", s.consumer.Name, "err", err)
	}
	return nil
}

// insist repeats do until it succeeds, with a pause that doubles. It returns an error when ctx
// ends or the consumer wants no more.
func (s *session) insist(ctx context.Context, do func() error) error {
	cfg := &s.cursors.cfg
	pause := cfg.Retry
	for first := true; ; first = false {
		err := do()
		switch {
		case err == nil:
			if !first {
				cfg.Log.Info("event consumer goes on", "consumer", s.consumer.Name)
				s.mu.Lock() // written with what follows
				s.lease.failedAt, s.lease.failure = 0, ""
				s.mu.Unlock()
			}
			return nil
		case errors.Is(err, ErrStop):
			return ErrStop
		case ctx.Err() != nil:
			return errs.E(errs.Canceled, "events.deliver", ctx.Err())
		}
		if first {
			cfg.Log.Warn("event consumer waits", "consumer", s.consumer.Name, "err", err)
		}
		if !s.failed(ctx, err) {
			return errLost
		}
		if !sleep(ctx, pause-pause/4+rand.N(pause/2)) {
			return errs.E(errs.Canceled, "events.deliver", ctx.Err())
		}
		pause = min(pause*2, cfg.MaxRetry)
	}
}

// maxFailure bounds the text kept of a failure.
const maxFailure = 300

// failed notes why nothing moves, and writes it when it is news.
func (s *session) failed(ctx context.Context, why error) (ours bool) {
	text := failureText(why)
	s.mu.Lock()
	news := s.lease.failure != text
	s.mu.Unlock()
	if !news {
		return true
	}
	ours, _ = s.keep(ctx, func(l *lease) { // a renewal will write it if this cannot
		l.failure = text
		if l.failedAt == 0 {
			l.failedAt = time.Now().UnixNano()
		}
	})
	return ours
}

// failureText is the beginning of an error's text as every database takes it: a text it refuses
// would keep the lease from being renewed.
func failureText(why error) string {
	text := why.Error()
	return strings.ReplaceAll(strings.ToValidUTF8(text[:min(len(text), maxFailure)], ""), "\x00", "")
}
