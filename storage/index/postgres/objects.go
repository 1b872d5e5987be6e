package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index/tail"
)

const (
	insertObjects = `INSERT INTO objects (id, tenant, key, tail) SELECT id, $1, key, tail
		FROM unnest($2::bigint[], $3::text[], $4::bigint[]) n (id, key, tail)`
	updateTails = `UPDATE objects o SET tail=n.tail FROM unnest($2::bigint[], $3::bigint[]) n (id, tail)
		WHERE o.tenant=$1 AND o.id=n.id AND o.tail<n.tail`
	selectTails = `SELECT key, tail FROM objects WHERE tail>0`
)

// objects are the blobs this node's Adds point into.
type objects struct {
	lock sync.Mutex
	all  map[objectKey]*object
}

type objectKey struct {
	tenant int64
	key    storage.Key
}

type object struct {
	objectKey
	id int64
	tail.Object
}

// maxObjects bounds what is remembered, but for objects whose tail is still to be stored.
const maxObjects = 4096

func (os *objects) has(k objectKey) bool { return os.get(k) != nil }

func (os *objects) get(k objectKey) *object {
	os.lock.Lock()
	defer os.lock.Unlock()
	return os.all[k]
}

// put notes an object that has a row, committed.
func (os *objects) put(o *object) {
	os.lock.Lock()
	defer os.lock.Unlock()
	if os.all[o.objectKey] != nil {
		return
	}
	if os.all == nil {
		os.all = make(map[objectKey]*object)
	}
	if len(os.all) >= maxObjects {
		for k, o := range os.all {
			if o.Settled() {
				delete(os.all, k)
			}
		}
	}
	os.all[o.objectKey] = o
}

// forget drops objects of a transaction that was rolled back.
func (os *objects) forget(gone []*object) {
	os.lock.Lock()
	defer os.lock.Unlock()
	for _, o := range gone {
		delete(os.all, o.objectKey)
	}
}

func (os *objects) seen(o *object, r blob.Record) {
	os.lock.Lock()
	defer os.lock.Unlock()
	o.Seen(r)
}

// tails collects what is to be stored, of those given or of all.
func (os *objects) tails(some []*object) (tenants map[int64][2][]int64) {
	os.lock.Lock()
	defer os.lock.Unlock()
	tenants = make(map[int64][2][]int64)
	store := func(o *object) {
		if t, changed := o.Store(); changed {
			l := tenants[o.tenant]
			tenants[o.tenant] = [2][]int64{append(l[0], o.id), append(l[1], t)}
		}
	}
	if some != nil {
		for _, o := range some {
			if o.Due() {
				store(o)
			}
		}
		return tenants
	}
	for _, o := range os.all {
		store(o)
	}
	return tenants
}

// insertObjects queues the rows of new objects, with their tails: a store that keeps a record an
// object has nothing more to say of them.
func (w *writer) insertObjects() {
	if len(w.newObjects) == 0 {
		return
	}
	var ids, tails []int64
	var keys []string
	for _, o := range w.newObjects { // no one else knows them yet
		t, _ := o.Store()
		ids, keys, tails = append(ids, o.id), append(keys, string(o.key)), append(tails, t)
	}
	w.queue(insertObjects, w.tenant, ids, keys, tails)
}

// object returns the object an instance lies in, with a row of its own if it is new.
func (w *writer) object(key storage.Key) *object {
	k := objectKey{w.tenant, storage.Key(text(string(key)))}
	o := w.ix.objects.get(k)
	if o == nil {
		o = w.made[k]
	}
	if o == nil {
		o = &object{objectKey: k, id: w.nextRow(), Object: tail.At(0)}
		w.made[k] = o
		w.newObjects = append(w.newObjects, o)
	}
	w.touched = append(w.touched, o)
	return o
}

// storeTails writes every tail.
func (ix *Index) storeTails(ctx context.Context) error {
	for tenant, l := range ix.objects.tails(nil) {
		err := ix.read(ctx, "postgres.Tails", tenant, statement{sql: updateTails, args: []any{tenant, l[0], l[1]}})
		if err != nil {
			return err
		}
	}
	return nil
}

// Tails returns, for each object, the offset up to which every record has been seen. Adds are
// durable here, so it saves recovery work, no more.
func (ix *Index) Tails(ctx context.Context) (map[storage.Key]int64, error) {
	if err := ix.storeTails(ctx); err != nil {
		return nil, err
	}
	out := make(map[storage.Key]int64)
	err := ix.read(ctx, "postgres.Tails", everyTenant, statement{selectTails, nil, each(func(r pgx.Rows) error {
		var key string
		var tail int64
		err := r.Scan(&key, &tail)
		out[storage.Key(key)] = max(out[storage.Key(key)], tail)
		return err
	})})
	return out, err
}
