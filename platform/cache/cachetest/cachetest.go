// Package cachetest is the suite every engine of cache.Cache passes.
package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Nodes returns caches that share their values, one for each node (for an engine of one process
// twice the same), on an empty store.
type Nodes func(t testing.TB) (one, two cache.Cache)

// Run runs the suite.
func Run(t *testing.T, nodes Nodes) {
	for name, test := range map[string]func(*testing.T, cache.Cache, cache.Cache){
		"values": values, "expire": expire, "once": once, "failed build": failedBuild, "canceled builder": canceledBuilder,
		"impatient": impatient, "panic": panics, "many keys": manyKeys,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one, two := nodes(t)
			test(t, one, two)
		})
	}
}

// Key returns one nobody else uses.
func Key(t testing.TB, parts ...string) cache.Key {
	return cache.KeyOf(storage.DefaultTenant, "test", append(parts, t.Name(), fmt.Sprint(unique.Add(1)), fmt.Sprint(started))...)
}

var (
	unique  atomic.Int64
	started = time.Now().UnixNano()
)

func values(t *testing.T, one, two cache.Cache) {
	ctx, k := t.Context(), Key(t)
	if _, ok := one.Get(ctx, k); ok {
		t.Fatal("something is there")
	}
	for _, v := range [][]byte{[]byte("first"), {}, {0, 255, 0}, bytes.Repeat([]byte{7}, 1<<20)} {
		one.Set(ctx, k, v, time.Minute)
		got, ok := two.Get(ctx, k)
		if !ok || !bytes.Equal(got, v) {
			t.Fatalf("set %d bytes, got %d (%v)", len(v), len(got), ok)
		}
	}
	two.Delete(ctx, k)
	if _, ok := one.Get(ctx, k); ok {
		t.Fatal("deleted, and still there")
	}
	two.Delete(ctx, k) // twice is no error
}

func expire(t *testing.T, one, two cache.Cache) {
	ctx, k := t.Context(), Key(t)
	one.Set(ctx, k, []byte("x"), 30*time.Millisecond)
	until(t, "the value is gone", func() bool { _, ok := two.Get(ctx, k); return !ok })
	one.Set(ctx, k, []byte("x"), 0)
	if _, ok := one.Get(ctx, k); ok {
		t.Error("kept for no time")
	}
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// once: callers on both nodes come while one builds; all get what it built.
func once(t *testing.T, one, two cache.Cache) {
	ctx, k := t.Context(), Key(t)
	var builds atomic.Int32
	begun, finish := make(chan struct{}), make(chan struct{})
	build := func() ([]byte, error) {
		if builds.Add(1) == 1 {
			close(begun)
		}
		<-finish
		return []byte("built"), nil
	}
	var wg sync.WaitGroup
	ask := func(c cache.Cache) {
		wg.Go(func() {
			v, err := c.Do(ctx, k, time.Minute, build)
			if err != nil || string(v) != "built" {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
	ask(one)
	<-begun
	for range 8 {
		ask(one)
		ask(two)
	}
	close(finish)
	wg.Wait()
	ask(two)
	wg.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}

func failedBuild(t *testing.T, one, two cache.Cache) {
	ctx, k := t.Context(), Key(t)
	damaged := errs.Errorf(errs.Invalid, "test", "damaged")
	if _, err := one.Do(ctx, k, time.Minute, func() ([]byte, error) { return nil, damaged }); !errors.Is(err, damaged) {
		t.Fatalf("got %v", err)
	}
	v, err := two.Do(ctx, k, time.Minute, func() ([]byte, error) { return []byte("good"), nil })
	if err != nil || string(v) != "good" {
		t.Fatalf("%q, %v: an error was kept", v, err)
	}
}

// canceledBuilder: who waits is not told that somebody else went away.
func canceledBuilder(t *testing.T, one, two cache.Cache) {
	ctx, k := t.Context(), Key(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = one.Do(ctx, k, time.Minute, func() ([]byte, error) {
			close(begun)
			<-finish
			return nil, errs.E(errs.Canceled, "test", context.Canceled)
		})
	})
	<-begun
	for _, c := range []cache.Cache{one, two} {
		wg.Go(func() {
			v, err := c.Do(ctx, k, time.Minute, func() ([]byte, error) { return []byte("mine"), nil })
			if err != nil || string(v) != "mine" {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
	close(finish)
	wg.Wait()
}

// impatient: a caller who waits leaves with its context.
func impatient(t *testing.T, one, two cache.Cache) {
	k := Key(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = one.Do(t.Context(), k, time.Minute, func() ([]byte, error) {
			close(begun)
			<-finish
			return nil, nil
		})
	})
	<-begun
	for _, c := range []cache.Cache{one, two} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Do(ctx, k, time.Minute, func() ([]byte, error) { return nil, errs.Errorf(errs.Internal, "test", "built") }); !errs.Is(err, errs.Canceled) {
			t.Errorf("a canceled caller got %v", err)
		}
	}
	close(finish)
	wg.Wait()
}

func panics(t *testing.T, one, two cache.Cache) {
	ctx, k := t.Context(), Key(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		_, _ = one.Do(ctx, k, time.Minute, func() ([]byte, error) { panic("builder") })
	}()
	v, err := two.Do(ctx, k, time.Minute, func() ([]byte, error) { return []byte("after"), nil })
	if err != nil || string(v) != "after" {
		t.Fatalf("%q, %v", v, err)
	}
}

func manyKeys(t *testing.T, one, two cache.Cache) {
	ctx := t.Context()
	if cache.KeyOf("a", "k", "1", "23") == cache.KeyOf("a", "k", "12", "3") || cache.KeyOf("a", "k", "1") == cache.KeyOf("b", "k", "1") {
		t.Fatal("different things have one key")
	}
	k := Key(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			own := cache.Key(fmt.Sprintf("%s:%d", k, i%16))
			want := fmt.Sprint(i % 16)
			v, err := []cache.Cache{one, two}[i%2].Do(ctx, own, time.Minute, func() ([]byte, error) { return []byte(want), nil })
			if err != nil || string(v) != want {
				t.Errorf("%q, %v", v, err)
			}
		})
	}
	wg.Wait()
}
