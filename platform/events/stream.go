package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
)

// StreamConfig configures a Stream; Tenant must be set, all else has defaults.
type StreamConfig struct {
	// Tenant says whose events the request may see.
	Tenant func(*http.Request) (storage.TenantID, error)
	// Heartbeat is how often something is sent when nothing happens; default 15 s.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take for one batch before it is cut; default 10 s.
	WriteTimeout time.Duration
	Retry        time.Duration // after which a client shall come back; default 2 s
	Clients      int           // at one time; default 256
}

// Stream answers with Server-Sent Events: those after ?after= or Last-Event-ID, else what
// happens from now on, of the types in ?types=. Nothing is held for a client: one that is too
// slow is cut and resumes by Last-Event-ID. It ends when Feed.Run does.
type Stream struct {
	cfg     StreamConfig
	feed    *Feed
	clients atomic.Int64
}

// NewStream returns the handler of GET /events.
func NewStream(cfg StreamConfig, feed *Feed) *Stream {
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = 10 * time.Second
	}
	if cfg.Retry <= 0 {
		cfg.Retry = 2 * time.Second
	}
	if cfg.Clients <= 0 {
		cfg.Clients = 256
	}
	return &Stream{cfg: cfg, feed: feed}
}

// streamBatch bounds what is made up for one client at one time: some 80 KiB.
const streamBatch = 200

// ServeHTTP implements http.Handler.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.clients.Add(1) > int64(s.cfg.Clients) {
		s.clients.Add(-1)
		w.Header().Set("Retry-After", "10")
		httpd.Problem(w, http.StatusServiceUnavailable, "too many clients listen to events")
		return
	}
	defer s.clients.Add(-1)
	c := &client{stream: s, w: w, ctl: http.NewResponseController(w)}
	if err := c.begin(r); err != nil {
		status := http.StatusInternalServerError
		switch errs.KindOf(err) {
		case errs.Invalid:
			status = http.StatusBadRequest
		case errs.Unauthenticated:
			status = http.StatusUnauthorized
		case errs.Forbidden:
			status = http.StatusForbidden
		case errs.NotFound:
			status = http.StatusNotFound
		case errs.Unavailable, errs.Canceled:
			status = http.StatusServiceUnavailable
		}
		httpd.Problem(w, status, errs.Safe(err))
		return
	}
	c.follow(r.Context()) // whatever ends it, the client comes back with what it saw last
}

// client is one that listens.
type client struct {
	stream *Stream
	w      http.ResponseWriter
	ctl    *http.ResponseController
	tenant storage.TenantID
	types  Types
	at     int64 // looked at up to here
	told   int64 // what the client knows of at
	buf    bytes.Buffer
}

// begin reads the request and answers its header.
func (c *client) begin(r *http.Request) (err error) {
	if c.tenant, err = c.stream.cfg.Tenant(r); err != nil {
		return err
	}
	q := r.URL.Query()
	if c.types, err = ParseTypes(q.Get("types")); err != nil {
		return err
	}
	// The header goes first: a browser that reconnects sends it with the old URL.
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = q.Get("after")
	}
	if c.at, err = c.position(r.Context(), after); err != nil {
		return err
	}
	c.told = c.at
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy must not collect
	// The id says from where it would resume, should the line be cut before the first event.
	c.buf.WriteString("retry: " + strconv.FormatInt(c.stream.cfg.Retry.Milliseconds(), 10) + "\n")
	c.id(c.at)
	c.buf.WriteByte('\n')
	return nil
}

// position reads "tenant/sequence" or a sequence number; "" is the end of the feed.
func (c *client) position(ctx context.Context, after string) (int64, error) {
	const op = "events.Stream"
	if after == "" {
		return c.stream.feed.Last(ctx, c.tenant)
	}
	number := after
	if i := strings.LastIndexByte(after, '/'); i >= 0 {
		if after[:i] != string(c.tenant) {
			return 0, errs.Errorf(errs.Invalid, op, "the last event is another tenant's")
		}
		number = after[i+1:]
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, errs.Errorf(errs.Invalid, op, "the last event's id cannot be understood")
	}
	ok, err := c.stream.feed.Reaches(ctx, c.tenant, n)
	if err == nil && !ok {
		err = errs.Errorf(errs.Invalid, op, "the last event's id lies behind the end of the feed")
	}
	return n, err
}

// follow sends until the client is gone or too slow, or the server stops.
func (c *client) follow(ctx context.Context) {
	for c.flush() == nil {
		batch, err := c.stream.feed.Read(ctx, c.tenant, c.at, streamBatch)
		if err != nil {
			return
		}
		for _, e := range batch {
			if c.types.Match(e.Type) {
				c.event(e)
			}
			c.at = e.Sequence
		}
		if len(batch) > 0 {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, c.stream.cfg.Heartbeat)
		err = c.stream.feed.Wait(wait, c.tenant, c.at)
		cancel()
		switch {
		case err == nil:
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return
		default:
			c.heartbeat()
		}
	}
}

func (c *client) event(e Event) {
	data, err := json.Marshal(e)
	if err != nil { // a struct of strings and an int
		panic(err)
	}
	c.id(e.Sequence)
	c.buf.WriteString("event: " + string(e.Type) + "\ndata: ")
	c.buf.Write(data)
	c.buf.WriteString("\n\n")
}

func (c *client) id(sequence int64) {
	c.buf.WriteString("id: " + string(c.tenant) + "/" + strconv.FormatInt(sequence, 10) + "\n")
	c.told = sequence
}

// heartbeat keeps the line open. An id without data tells how far a client is that wants only
// few of the events.
func (c *client) heartbeat() {
	c.buf.WriteString(":\n")
	if c.told < c.at {
		c.id(c.at)
	}
	c.buf.WriteByte('\n')
}

// flush sends what was made up. One batch is all a client can be behind with.
func (c *client) flush() error {
	if c.buf.Len() == 0 {
		return nil
	}
	// The server gives every answer a minute when something is written after a while: an empty
	// write has that done before ours is set.
	if _, err := c.w.Write(nil); err != nil {
		return err
	}
	// Not supported (a test recorder) is no error: there is no deadline to set then.
	_ = c.ctl.SetWriteDeadline(time.Now().Add(c.stream.cfg.WriteTimeout))
	_, err := c.w.Write(c.buf.Bytes())
	if err == nil {
		err = c.ctl.Flush()
	}
	c.buf.Reset()
	return err
}
