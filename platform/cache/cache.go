// Package cache is the contract for bytes that can be made again: a value is kept for a while
// and built once among everybody who shares the cache. A cache that fails is a cache that has
// nothing: no method but Do returns an error, and Do returns only what build did.
//
// Engines: Memory here, for one process; cache/redis, for several nodes. Both pass
// cache/cachetest. What is kept may be health data: keys name nobody, values are as sensitive as
// what they were built from, and an engine keeps them no longer than asked.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
)

// version is in every key: a release that builds values in another form counts it up, so that
// nodes of two releases side by side do not read each other's.
const version = "1"

// Key names a value.
type Key string

// KeyOf makes the key of a kind of value of a tenant. Parts (UIDs, revisions, variants) go in as
// a hash: whoever reads keys learns nothing about patients.
func KeyOf(t storage.TenantID, kind string, parts ...string) Key {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(p))) // "ab","c" is not "a","bc"
		h.Write(n[:])
		h.Write([]byte(p))
	}
	sum := base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
	return Key("aurelius:" + version + ":" + string(t) + ":" + kind + ":" + sum)
}

// Cache keeps values. It is safe for concurrent use. Values are shared: what goes in and what
// comes out must not be changed.
type Cache interface {
	Get(ctx context.Context, k Key) ([]byte, bool)
	// Set keeps the value for at most ttl. An engine may keep it shorter, or not at all.
	Set(ctx context.Context, k Key, value []byte, ttl time.Duration)
	Delete(ctx context.Context, k Key)
	// Do returns the value of the key; when there is none it is built and kept for ttl. Callers
	// who come meanwhile wait for that value, on other nodes too as far as the engine can. A
	// build that fails is not kept: its callers in this process get the error, except that one
	// whose builder went away (errs.Canceled) builds itself. A waiting caller leaves with ctx.
	Do(ctx context.Context, k Key, ttl time.Duration, build func() ([]byte, error)) ([]byte, error)
	Close() error
}
