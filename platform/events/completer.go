package events

import (
	"context"
	"log/slog"
	"time"
)

// Completing is the part of index.Index that a Completer drives.
type Completing interface {
	CompleteStudies(ctx context.Context, quiet time.Time, limit int) (int, error)
}

// Completer announces studies to which nothing was added and from which nothing was taken for a
// while. Every node may run one: the index announces each state of a study once.
type Completer struct {
	Index  Completing
	Quiet  time.Duration    // how long a study must be quiet; default 1 min
	Now    func() time.Time // default time.Now
	Notify func()           // called when something was announced, Feed.Notify; default none
	Log    *slog.Logger     // default slog.Default()
}

// completeBatch bounds how long one call keeps the index from its senders.
const completeBatch = 200

// Run looks for quiet studies until ctx ends.
func (c Completer) Run(ctx context.Context) error {
	if c.Quiet <= 0 {
		c.Quiet = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	for sleep(ctx, max(c.Quiet/4, time.Second)) {
		if err := c.complete(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("announcing complete studies failed", "err", err) // the next round tries again
		}
	}
	return nil
}

// complete announces all that is quiet by now.
func (c Completer) complete(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	quiet := c.Now().Add(-c.Quiet)
	for {
		n, err := c.Index.CompleteStudies(ctx, quiet, completeBatch)
		if err != nil {
			return err
		}
		if n > 0 && c.Notify != nil {
			c.Notify()
		}
		if n == 0 { // fewer than asked may mean that another node took some
			return nil
		}
	}
}
