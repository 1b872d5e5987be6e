package events_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const tenant = storage.DefaultTenant

// patience is how long a test waits for what must come: it ends a failing test only.
const patience = 30 * time.Second

// world is an index with its feed: what the nodes of a test share.
type world struct {
	t     testing.TB
	index index.Index
	gen   *indextest.Generator
	mu    sync.Mutex // of gen
}

func newWorld(t testing.TB) *world {
	ix, err := sqlite.Open(filepath.Join(t.TempDir(), "index"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return &world{t: t, index: ix, gen: indextest.New(7, indextest.Shape{Studies: 1000, Series: 1, Instances: 4})}
}

// store adds n instances.
func (w *world) store(n int) {
	w.t.Helper()
	for range n {
		w.mu.Lock()
		in := w.gen.Next()
		w.mu.Unlock()
		if _, err := w.index.Add(context.Background(), tenant, in, false); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) complete() {
	w.t.Helper()
	if _, err := w.index.CompleteStudies(context.Background(), time.Now().Add(time.Second), 1000); err != nil {
		w.t.Error(err)
	}
}

// ids lists what the index says happened after a sequence number: the oracle.
func (w *world) ids(after int64, kinds ...index.ChangeKind) []string {
	w.t.Helper()
	cs, err := w.index.Changes(context.Background(), tenant, after, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, c := range cs {
		if len(kinds) == 0 || slices.Contains(kinds, c.Kind) {
			out = append(out, events.Event{Tenant: tenant, Sequence: c.Sequence}.ID())
		}
	}
	return out
}

// feed runs a feed of the world's index until the test or stop ends it.
func (w *world) feed() (feed *events.Feed, stop func()) {
	feed = events.NewFeed(events.FeedConfig{Poll: 10 * time.Millisecond, Gather: time.Millisecond}, w.index)
	return feed, testkit.Run(w.t, feed.Run)
}

// node opens the cursors as a node of its own does.
func (w *world) node(db sqldb.SQL, name string, lease time.Duration) (c *events.Cursors, stopFeed func()) {
	w.t.Helper()
	feed, stop := w.feed()
	c, err := events.NewCursors(context.Background(), events.CursorConfig{
		Node: name, Lease: lease, Retry: time.Millisecond, MaxRetry: 20 * time.Millisecond, Timeout: 5 * time.Second,
		Log: slog.New(slog.DiscardHandler),
	}, db, feed)
	if err != nil {
		w.t.Fatal(err)
	}
	return c, stop
}

func openSQL(t testing.TB, path string) sqldb.SQL {
	t.Helper()
	db, err := sqldb.OpenSQL(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// log is what a receiver got.
type log struct {
	mu   sync.Mutex
	ids  []string
	more chan struct{}
}

func newLog() *log { return &log{more: make(chan struct{}, 1)} }

func (l *log) add(batch []events.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range batch {
		l.ids = append(l.ids, e.ID())
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *log) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ids)
}

// unique drops what came again, as receivers are told to do.
func unique(ids []string) []string {
	seen := make(map[string]bool)
	var out []string
	for _, id := range ids {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

// until waits for n different ids.
func (l *log) until(t testing.TB, n int) []string {
	t.Helper()
	give := time.After(patience)
	for {
		if got := l.got(); len(unique(got)) >= n {
			return got
		}
		select {
		case <-l.more:
		case <-give:
			t.Fatalf("%d events after %v, want %d", len(unique(l.got())), patience, n)
		}
	}
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: %d events, want %d; they differ from the %dth: %v..., want %v...", what, len(got), len(want), i+1,
				got[min(i, len(got)):min(i+5, len(got))], want[min(i, len(want)):min(i+5, len(want))])
			return
		}
	}
}

// counting counts the questions to an index.
type counting struct {
	inner events.Changes
	asked atomic.Int64
}

// Changes implements events.Changes.
func (c *counting) Changes(ctx context.Context, t storage.TenantID, after int64, limit int) ([]index.Change, error) {
	c.asked.Add(1)
	return c.inner.Changes(ctx, t, after, limit)
}
