// Package jobs is the durable queue of work that outlives a request: sealing, scrubbing, imports,
// inference. A job is a kind, a tenant and a few bytes that only the kind's handler reads; every
// node with a handler may run it, one node at a time, and every node sees how it goes.
//
// A job is run at least once: a node holds it by a lease which it renews, and when the node dies
// another takes the job after the lease. Handlers are therefore idempotent, and stop when their
// context ends: the lease is lost, the job was cancelled, or the node goes down.
//
//	waiting -> running -> done
//	   ^          |-----> waiting again after a failure, later each time
//	   |          |-----> dead, when it has failed too often or for good
//	   |          '-----> cancelled
//	   '------------------ Retry of a dead or cancelled job, by hand
//
// It leaves out what a job does, and workflows: a handler that wants a next step enqueues it.
package jobs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// State of a job.
type State string

// The states. Done, Dead and Cancelled are ends; Dead is the dead letter: listed until somebody
// retries it or Config.KeepDead has passed.
const (
	Waiting   State = "waiting"
	Running   State = "running"
	Done      State = "done"
	Dead      State = "dead"
	Cancelled State = "cancelled"
)

// States lists them all.
func States() []State { return []State{Waiting, Running, Done, Dead, Cancelled} }

// Why the context of a handler ended, for context.Cause.
var (
	ErrCancelled = errors.New("the job was cancelled")
	ErrShutdown  = errors.New("the node is going down")
	ErrLost      = errors.New("the lease of the job was lost")
)

// Job is a job as the database has it. Handlers get it too and Report on it.
type Job struct {
	ID          string
	Tenant      storage.TenantID
	Kind        string
	Args        []byte // what the handler needs: small, never patient data
	State       State
	Priority    int
	Attempt     int // counts from 1 while it runs
	MaxAttempts int
	Percent     int    // 0..100
	Note        string // one line beside Percent
	Error       string // the last failure, safe to show
	Node        string // who runs it, or ran it last
	Cancelling  bool   // running, and asked to stop

	Created, RunAt, Started, Finished time.Time // zero when it has not come to that

	run *run
}

// Report says how far the running job is; every node sees it a moment later. The note holds no
// patient data. It costs next to nothing, so a handler may call it as often as it likes.
func (j Job) Report(percent int, note string) {
	if j.run != nil {
		j.run.report(percent, note)
	}
}

// Handler does the work of one kind. An error is tried again later; one of Permanent is not.
type Handler func(ctx context.Context, j Job) error

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error that trying again will not mend: the job is dead at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// Config of a queue; the zero value is usable.
type Config struct {
	// Node names this process, unlike any other that runs; shown at its jobs. Default: by chance.
	Node    string
	Workers int // jobs this node runs at one time; default 2
	// Lease is how long a job of a dead node lies still; default 30 s.
	Lease time.Duration
	// Poll is how often the database is looked at for jobs, for cancellations, and to write
	// progress; default 1 s. A job enqueued on this node starts at once.
	Poll time.Duration
	// Drain bounds the wait for handlers when the node goes down; default 10 s.
	Drain time.Duration
	// Backoff is the pause after the nth failure; default 5 s, doubling up to an hour.
	Backoff  func(attempt int) time.Duration
	Keep     time.Duration // done and cancelled jobs; default 7 days
	KeepDead time.Duration // dead ones; default 90 days
	// Now is for tests. By default all nodes go by the database's clock.
	Now func() time.Time
	Log *slog.Logger // default slog.Default()
}

func (c Config) withDefaults() Config {
	if c.Node == "" {
		c.Node = "node-" + random(4)
	}
	if c.Workers <= 0 {
		c.Workers = 2
	}
	if c.Lease <= 0 {
		c.Lease = 30 * time.Second
	}
	if c.Poll <= 0 {
		c.Poll = time.Second
	}
	if c.Drain <= 0 {
		c.Drain = 10 * time.Second
	}
	if c.Backoff == nil {
		c.Backoff = backoff
	}
	if c.Keep <= 0 {
		c.Keep = 7 * 24 * time.Hour
	}
	if c.KeepDead <= 0 {
		c.KeepDead = 90 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func backoff(attempt int) time.Duration {
	const first, most = 5 * time.Second, time.Hour
	if attempt > 10 {
		return most
	}
	return min(first<<max(attempt-1, 0), most)
}

// Queue is the queue as one node sees it. It is safe for concurrent use once Handle and Periodic
// have been called.
type Queue struct {
	db    sqldb.SQL
	cfg   Config
	ahead atomic.Int64

	handlers map[string]Handler
	periods  []*period

	wake chan struct{} // something was enqueued here, or a worker is free

	mu      sync.Mutex
	running map[string]*run // by job id
}

// Open prepares the queue's tables. Nothing runs before Run; a node without handlers enqueues
// and lists.
func Open(ctx context.Context, db sqldb.SQL, cfg Config) (*Queue, error) {
	if err := db.Migrate(ctx, "jobs", migrations); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	q := &Queue{db: db, cfg: cfg, handlers: make(map[string]Handler), wake: make(chan struct{}, 1),
		running: make(map[string]*run)}
	return q, q.readClock(ctx)
}

// Handle registers what runs jobs of a kind on this node; before Run.
func (q *Queue) Handle(kind string, h Handler) { q.handlers[kind] = h }

// readClock notes how far the database's clock is ahead of ours: leases of different nodes are
// compared with each other.
func (q *Queue) readClock(ctx context.Context) error {
	if q.cfg.Now != nil || q.db.Dialect() != sqldb.Postgres {
		return nil // SQLite: one machine, one clock
	}
	return q.db.Read(ctx, func(tx sqldb.Tx) error {
		now, err := sqldb.Now(tx, q.db.Dialect())
		if err == nil {
			q.ahead.Store(int64(time.Until(now)))
		}
		return err
	})
}

func (q *Queue) now() time.Time {
	if q.cfg.Now != nil {
		return q.cfg.Now()
	}
	return time.Now().Add(time.Duration(q.ahead.Load()))
}

// Wake has this node look for jobs now, after EnqueueTx for example.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// newID sorts by time of creation: 6 bytes of milliseconds, 8 of chance.
func newID(now time.Time) string {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	return hex.EncodeToString(ms[2:]) + random(8)
}

// isID reports whether newID could have made it.
func isID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 6+8 && hex.EncodeToString(b) == s
}

func unknown(op string) error { return errs.Errorf(errs.NotFound, op, "no such job") }
