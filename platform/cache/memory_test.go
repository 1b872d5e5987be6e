package cache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/platform/cache"
	"github.com/aurelius-imaging/aurelius/platform/cache/cachetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	cachetest.Run(t, func(testing.TB) (one, two cache.Cache) {
		m := cache.NewMemory(16 << 20)
		return m, m
	})
}

// TestMemoryIsBounded: what was used last stays, and no more than the bound.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	ctx, m := t.Context(), cache.NewMemory(10<<10)
	key := func(i int) cache.Key { return cache.KeyOf("t", "bound", fmt.Sprint(i)) }
	for i := range 100 {
		m.Set(ctx, key(i), make([]byte, 700), time.Minute)
		m.Get(ctx, key(0))
	}
	kept := 0
	for i := range 100 {
		if v, ok := m.Get(ctx, key(i)); ok {
			kept += len(v)
		}
	}
	if kept == 0 || kept > 10<<10 {
		t.Errorf("keeps %d bytes", kept)
	}
	for i, want := range map[int]bool{0: true, 1: false, 99: true} {
		if _, ok := m.Get(ctx, key(i)); ok != want {
			t.Errorf("value %d: %v, want %v", i, ok, want)
		}
	}
	m.Set(ctx, key(99), make([]byte, 9<<10), time.Minute)
	if _, ok := m.Get(ctx, key(99)); ok {
		t.Error("one value took the place of all")
	}
}
