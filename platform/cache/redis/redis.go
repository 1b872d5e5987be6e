// Package redis is the cache several nodes share: values with a time to live in Redis, and a
// lock there beside each value being built, so that of all nodes one builds.
//
// Redis may be slow, full, or dead at any time; then this node builds for itself, at once, and
// leaves Redis alone for a while. Nothing here is worth an error to a caller, and nothing is
// kept here that cannot be made again. The lock saves work, it guards nothing: that two build
// the same is allowed. Left out: clusters of Redis with several shards, and being told of what
// another node deletes (keys change with what they name).
package redis

import (
	"context"
	crand "crypto/rand"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/cache"
)

// Config of a Cache; only URL must be set.
type Config struct {
	URL string // redis://user:password@host:port/db, or rediss:// with TLS
	// Timeout of one command; default 100 ms. What takes longer is not worth waiting for.
	Timeout time.Duration
	// MaxValue is the size above which values stay on their node; default 8 MiB.
	MaxValue int64
	// LockTTL is after what time a builder is taken for dead; default 5 s.
	LockTTL time.Duration
	// Wait is how long a node waits for another one's build before it builds itself; default
	// LockTTL.
	Wait    time.Duration
	Logger  *slog.Logger          // default: discard
	Metrics prometheus.Registerer // default: none
}

// How often a waiting node looks: soon at first, then less often.
const (
	firstLook = 5 * time.Millisecond
	lastLook  = 80 * time.Millisecond
)

var (
	// lookOrLock returns the value, or 1 when the caller now has the lock to build it, or 0.
	lookOrLock = redis.NewScript(`local v = redis.call('get', KEYS[1])
if v then return v end
if redis.call('set', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0`)
	// unlock deletes the lock if it is still the caller's.
	unlock = redis.NewScript(`if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0`)
)

// Cache is a cache.Cache in Redis. It is safe for concurrent use and keeps no values itself.
type Cache struct {
	cfg     Config
	client  *redis.Client
	flights cache.Flights
	breaker breaker
	metrics *metrics
}

var _ cache.Cache = (*Cache)(nil)

// Open prepares the client. That Redis is not there is no error: it may come.
func Open(cfg Config) (*Cache, error) {
	opt, err := redis.ParseURL(cfg.URL)
	if err != nil { // the parser's own text would quote the password
		return nil, errs.Errorf(errs.Invalid, "redis.Open", "the Redis URL cannot be understood")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 100 * time.Millisecond
	}
	if cfg.MaxValue <= 0 {
		cfg.MaxValue = 8 << 20
	}
	if cfg.LockTTL <= 0 {
		cfg.LockTTL = 5 * time.Second
	}
	if cfg.Wait <= 0 {
		cfg.Wait = cfg.LockTTL
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
	opt.MaxRetries = -1 // building is the retry
	opt.DialerRetries = 1
	opt.ContextTimeoutEnabled = true
	return &Cache{cfg: cfg, client: redis.NewClient(opt), metrics: newMetrics(cfg.Metrics)}, nil
}

// Close closes the connections.
func (c *Cache) Close() error {
	if err := c.client.Close(); err != nil {
		return errs.E(errs.Unavailable, "redis.Close", err)
	}
	return nil
}

// try runs commands unless Redis is being left alone, and reports whether it answered. The
// caller's going away is no fault of Redis, so it does not end them.
func (c *Cache) try(ctx context.Context, fn func(ctx context.Context) error) bool {
	if !c.breaker.allow(time.Now()) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
	defer cancel()
	err := fn(ctx)
	if err == nil || errors.Is(err, redis.Nil) {
		if c.breaker.succeeded() {
			c.cfg.Logger.InfoContext(ctx, "shared cache is back")
		}
		return true
	}
	c.metrics.count(resultError)
	if c.breaker.failed(time.Now()) {
		c.cfg.Logger.WarnContext(ctx, "shared cache does not answer, going on without", "err", err)
	}
	return false
}

// Get returns the value if Redis has it.
func (c *Cache) Get(ctx context.Context, k cache.Key) (value []byte, found bool) {
	c.try(ctx, func(ctx context.Context) (err error) {
		value, err = c.client.Get(ctx, string(k)).Bytes()
		found = err == nil
		return err
	})
	return value, found
}

// Set keeps the value unless it is too large to share.
func (c *Cache) Set(ctx context.Context, k cache.Key, value []byte, ttl time.Duration) {
	if int64(len(value)) > c.cfg.MaxValue || ttl < time.Millisecond {
		return
	}
	c.try(ctx, func(ctx context.Context) error { return c.client.Set(ctx, string(k), value, ttl).Err() })
}

// Delete forgets the value.
func (c *Cache) Delete(ctx context.Context, k cache.Key) {
	c.try(ctx, func(ctx context.Context) error { return c.client.Unlink(ctx, string(k)).Err() })
}

// Do returns the value, built once among all nodes as long as Redis answers.
func (c *Cache) Do(ctx context.Context, k cache.Key, ttl time.Duration, build func() ([]byte, error)) ([]byte, error) {
	return c.flights.Do(ctx, k, func() ([]byte, error) { return c.shared(ctx, k, ttl, build) })
}

// shared is Do for the one caller of this node.
func (c *Cache) shared(ctx context.Context, k cache.Key, ttl time.Duration, build func() ([]byte, error)) ([]byte, error) {
	token := crand.Text()
	until := time.Now().Add(c.cfg.Wait)
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		switch value, st := c.look(ctx, k, token); {
		case st == there:
			c.metrics.count(resultHit)
			return value, nil
		case st == ours:
			defer c.unlock(ctx, k, token)
			c.metrics.count(resultBuilt)
			value, err := build()
			if err == nil {
				c.Set(ctx, k, value, ttl)
			}
			return value, err
		case st == silent || time.Now().After(until):
			c.metrics.count(resultAlone)
			return build()
		}
		wait := time.NewTimer(pause/2 + rand.N(pause)) // nodes that wait do not ask in step
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil, errs.E(errs.Canceled, "redis.Do", ctx.Err())
		}
	}
}

// state of a value as a node finds it.
type state uint8

const (
	silent state = iota // Redis does not say
	there
	ours   // nobody has it, and this node holds the lock
	theirs // another node is building
)

func lockOf(k cache.Key) string { return string(k) + ":lock" }

func (c *Cache) look(ctx context.Context, k cache.Key, token string) (value []byte, st state) {
	c.try(ctx, func(ctx context.Context) error {
		got, err := lookOrLock.Run(ctx, c.client, []string{string(k), lockOf(k)}, token, c.cfg.LockTTL.Milliseconds()).Result()
		if err != nil {
			return err
		}
		switch v := got.(type) {
		case string:
			value, st = []byte(v), there
		case int64:
			if st = theirs; v == 1 {
				st = ours
			}
		}
		return nil
	})
	return value, st
}

func (c *Cache) unlock(ctx context.Context, k cache.Key, token string) {
	c.try(ctx, func(ctx context.Context) error {
		return unlock.Run(ctx, c.client, []string{lockOf(k)}, token).Err()
	})
}
