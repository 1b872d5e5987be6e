package httpd

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// HandlerConfig configures what stands before the routes. The zero value is usable.
type HandlerConfig struct {
	Base  *Base // absolute URLs and trusted proxies; default NewBase(BaseConfig{})
	Guard GuardConfig
	// Log gets a line per request: Debug for answers, Warn for 5xx, Error for panics.
	// Default slog.Default().
	Log *slog.Logger
	// Metrics gets histograms by route; default none.
	Metrics prometheus.Registerer
	// SlowBody is how long a client may take for 16 KiB of its body; default 30 s.
	SlowBody time.Duration
}

// Handler stands before the routes: request id, guard, deadlines, log and metrics.
type Handler struct {
	next    http.Handler
	guard   *guard
	log     *slog.Logger
	metrics *metrics
	window  time.Duration
	pool    sync.Pool
}

// NewHandler wraps the routes.
func NewHandler(cfg HandlerConfig, next http.Handler) *Handler {
	if cfg.Base == nil {
		cfg.Base = NewBase(BaseConfig{})
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.SlowBody <= 0 {
		cfg.SlowBody = bodyWindow
	}
	return &Handler{
		next: next, guard: newGuard(cfg.Guard, cfg.Base), log: cfg.Log,
		metrics: newMetrics(cfg.Metrics), window: cfg.SlowBody,
		pool: sync.Pool{New: func() any { return new(Response) }},
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	resp := h.pool.Get().(*Response)
	resp.reset(w, start)
	resp.id = requestID(r)
	header := w.Header()
	header["X-Request-Id"] = []string{resp.id}
	header["X-Content-Type-Options"] = nosniff
	if h.metrics != nil {
		h.metrics.inflight.Inc()
	}
	var slow *body
	if r.Body != nil && r.Body != http.NoBody {
		slow = newBody(r, w, h.window)
		r.Body = slow
	}
	defer func() {
		if why := recover(); why != nil {
			h.panicked(resp, r, why, start)
		}
		if slow != nil {
			slow.finish()
		}
		h.done(resp, r, time.Since(start))
	}()
	if h.guard.admit(resp, r) {
		h.next.ServeHTTP(resp, r)
	}
}

var nosniff = []string{"nosniff"}

// panicked answers 500, or cuts the connection when the answer has begun.
func (h *Handler) panicked(resp *Response, r *http.Request, why any, start time.Time) {
	if err, ok := why.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		h.done(resp, r, time.Since(start))
		panic(why)
	}
	h.log.Error("http handler panicked", "request", resp.id, "method", r.Method, "route", resp.route,
		"err", why, "stack", string(debug.Stack()))
	if resp.status != 0 {
		h.done(resp, r, time.Since(start))
		panic(http.ErrAbortHandler)
	}
	Problem(resp, http.StatusInternalServerError, "")
}

// done logs and counts the request. resp must not be used afterwards.
func (h *Handler) done(resp *Response, r *http.Request, dur time.Duration) {
	route := resp.route
	if route == "" {
		route = "none"
	}
	if h.metrics != nil {
		h.metrics.inflight.Dec()
		h.metrics.observe(r.Method, route, resp.Status(), resp.bytes, dur)
	}
	level := slog.LevelDebug
	if resp.Status() >= 500 {
		level = slog.LevelWarn
	}
	if h.log.Enabled(context.Background(), level) {
		h.log.LogAttrs(context.Background(), level, "http request",
			slog.String("request", resp.id), slog.String("method", r.Method), slog.String("route", route),
			slog.Int("status", resp.Status()), slog.Int64("bytes", resp.bytes), slog.Duration("dur", dur))
	}
	h.pool.Put(resp)
}

// requestID takes over the identifier a caller gave, when it is harmless, or makes one.
func requestID(r *http.Request) string {
	if v := r.Header["X-Request-Id"]; len(v) == 1 && len(v[0]) >= 8 && len(v[0]) <= 64 && plain(v[0]) {
		return v[0]
	}
	var b [8]byte
	for i, n := 0, rand.Uint64(); i < len(b); i++ {
		b[i] = byte(n >> (8 * i))
	}
	return hex.EncodeToString(b[:])
}

func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
