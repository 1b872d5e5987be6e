package redis_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/platform/cache/cachetest"
	"github.com/aurelius-imaging/aurelius/platform/cache/redis"
)

func open(t testing.TB, cfg redis.Config) *redis.Cache {
	t.Helper()
	c, err := redis.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// patient is a time-out for a machine that is busy with other tests.
const patient = 5 * time.Second

func TestRedis(t *testing.T) {
	t.Parallel()
	at := testkit.Part(t, "redis")
	cachetest.Run(t, func(t testing.TB) (one, two cache.Cache) {
		return open(t, redis.Config{URL: at, Timeout: patient, LockTTL: time.Minute}), open(t, redis.Config{URL: at, Timeout: patient, LockTTL: time.Minute})
	})
}

// built returns a build that counts.
func built(n *atomic.Int32) func() ([]byte, error) {
	return func() ([]byte, error) {
		n.Add(1)
		return []byte("built"), nil
	}
}

func do(t *testing.T, c cache.Cache, k cache.Key, n *atomic.Int32) {
	t.Helper()
	v, err := c.Do(t.Context(), k, time.Minute, built(n))
	if err != nil || string(v) != "built" {
		t.Fatalf("%q, %v", v, err)
	}
}

// TestDeadBuilder: a node that died with the lock is replaced when the lock ends.
func TestDeadBuilder(t *testing.T) {
	t.Parallel()
	at := testkit.Part(t, "redis")
	opt, err := goredis.ParseURL(at)
	if err != nil {
		t.Fatal(err)
	}
	raw := goredis.NewClient(opt)
	defer raw.Close()
	k := cachetest.Key(t)
	if err := raw.Set(t.Context(), string(k)+":lock", "dead", 200*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int32
	c := open(t, redis.Config{URL: at, Timeout: patient, LockTTL: 200 * time.Millisecond, Wait: time.Minute})
	do(t, c, k, &n)
	do(t, c, k, &n)
	if n.Load() != 1 {
		t.Errorf("built %d times", n.Load())
	}
	if left, err := raw.Exists(t.Context(), string(k)+":lock").Result(); err != nil || left != 0 {
		t.Errorf("the lock is left: %d, %v", left, err)
	}
	if ttl, err := raw.PTTL(t.Context(), string(k)).Result(); err != nil || ttl <= 0 || ttl > time.Minute {
		t.Errorf("the value stays for %v, %v", ttl, err)
	}
	// Another's lock is not waited for for ever, nor taken away.
	k = cachetest.Key(t)
	if err := raw.Set(t.Context(), string(k)+":lock", "slow", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	n.Store(0)
	do(t, open(t, redis.Config{URL: at, Timeout: patient, Wait: 50 * time.Millisecond}), k, &n)
	if owner, _ := raw.Get(t.Context(), string(k)+":lock").Result(); n.Load() != 1 || owner != "slow" {
		t.Errorf("built %d times, lock of %q", n.Load(), owner)
	}
}

func TestTooLargeToShare(t *testing.T) {
	t.Parallel()
	at := testkit.Part(t, "redis")
	c := open(t, redis.Config{URL: at, Timeout: patient, MaxValue: 4})
	k := cachetest.Key(t)
	var n atomic.Int32
	do(t, c, k, &n)
	if _, ok := c.Get(t.Context(), k); ok {
		t.Error("shared")
	}
	do(t, c, k, &n)
	if n.Load() != 2 {
		t.Errorf("built %d times", n.Load())
	}
}

// TestKilled: Redis dies in the middle of a build and comes back empty; nobody sees an error.
func TestKilled(t *testing.T) {
	t.Parallel()
	part := testkit.NewPart(t, "redis")
	one, two := open(t, redis.Config{URL: part.URL, Timeout: patient}), open(t, redis.Config{URL: part.URL, Timeout: patient})
	var n atomic.Int32
	k := cachetest.Key(t)
	v, err := one.Do(t.Context(), k, time.Minute, func() ([]byte, error) {
		part.Kill()
		return built(&n)()
	})
	if err != nil || string(v) != "built" {
		t.Fatalf("%q, %v", v, err)
	}
	do(t, one, k, &n)
	do(t, two, k, &n)
	if n.Load() != 3 {
		t.Errorf("built %d times without Redis, want each time", n.Load())
	}
	part.Restart()
	shared := func() bool { // each look has a key of its own; the breakers open at the end of their rest
		k := cachetest.Key(t)
		one.Set(t.Context(), k, []byte("x"), time.Minute)
		_, ok := two.Get(t.Context(), k)
		return ok
	}
	for end := time.Now().Add(30 * time.Second); !shared(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not shared again")
		}
	}
}

// TestSilent: a Redis that takes connections and says nothing costs one time-out, then nothing.
func TestSilent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepted atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	c := open(t, redis.Config{URL: "redis://" + l.Addr().String(), Timeout: 50 * time.Millisecond})
	var n atomic.Int32
	begin := time.Now()
	do(t, c, cachetest.Key(t), &n)
	asked := accepted.Load()
	const many = 1000
	for range many {
		do(t, c, cachetest.Key(t), &n)
	}
	// 1000 time-outs would be 50 s; the rest allows one try every 2 s.
	if took := time.Since(begin); took > 20*time.Second || n.Load() != many+1 {
		t.Errorf("%d builds in %v", n.Load(), took)
	}
	if asked == 0 {
		t.Error("Redis was not asked at all")
	}
}

// TestSlow: every answer comes late, through a proxy that holds it back.
func TestSlow(t *testing.T) {
	t.Parallel()
	at, err := url.Parse(testkit.Part(t, "redis"))
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, redis.Config{URL: "redis://" + lateProxy(t, at.Host, 300*time.Millisecond) + "/0", Timeout: 50 * time.Millisecond})
	var n atomic.Int32
	k := cachetest.Key(t)
	for range 50 {
		do(t, c, k, &n)
	}
	if n.Load() != 50 {
		t.Errorf("built %d times", n.Load())
	}
}

// lateProxy forwards to the address and holds each answer back.
func lateProxy(t *testing.T, to string, late time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() {
				defer in.Close()
				buf := make([]byte, 4096)
				for {
					n, err := out.Read(buf)
					if err != nil {
						return
					}
					time.Sleep(late) // what is tested
					if _, err := in.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestURL(t *testing.T) {
	t.Parallel()
	_, err := redis.Open(redis.Config{URL: "redis://user:secret@[host"})
	if !errs.Is(err, errs.Invalid) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	// Nobody there is no error.
	c := open(t, redis.Config{URL: "redis://127.0.0.1:1/0"})
	var n atomic.Int32
	do(t, c, cachetest.Key(t), &n)
	if _, err := c.Do(t.Context(), cachetest.Key(t), time.Minute, func() ([]byte, error) { return nil, context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
