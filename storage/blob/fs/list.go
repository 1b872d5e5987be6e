package fs

import (
	"context"
	"errors"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// List walks the packs of each tenant in the order in which they were begun. A pack that ends
// where the caller has been already costs no more than a stat. A damaged pack yields its error
// and the walk goes on.
func (s *Store) List(ctx context.Context, from func(storage.Key) int64) iter.Seq2[blob.Record, error] {
	return func(yield func(blob.Record, error) bool) {
		tenants, err := os.ReadDir(s.packs())
		if err != nil {
			yield(blob.Record{}, fail("fs.List", err))
			return
		}
		slices.SortFunc(tenants, func(a, b os.DirEntry) int { // as their keys sort: "a-b/" before "a/"
			return strings.Compare(a.Name()+"/", b.Name()+"/")
		})
		for _, dir := range tenants {
			if !dir.IsDir() || !tenantID.MatchString(dir.Name()) {
				continue
			}
			if !s.listTenant(ctx, storage.TenantID(dir.Name()), from, yield) {
				return
			}
		}
	}
}

func (s *Store) listTenant(ctx context.Context, t storage.TenantID, from func(storage.Key) int64,
	yield func(blob.Record, error) bool,
) bool {
	files, err := os.ReadDir(filepath.Join(s.packs(), string(t)))
	if err != nil {
		return yield(blob.Record{}, fail("fs.List", err))
	}
	for _, e := range files {
		name, suffix := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())), filepath.Ext(e.Name())
		if !packName.MatchString(name) || suffix != openSuffix && suffix != packSuffix {
			continue
		}
		if err := ctx.Err(); err != nil {
			return yield(blob.Record{}, errs.E(errs.Canceled, "fs.List", err))
		}
		k := storage.Key(string(t) + "/" + name)
		var begin int64
		if from != nil {
			begin = from(k)
		}
		limit, grows := s.committed(k)
		if !grows {
			limit = math.MaxInt64
			if info, err := e.Info(); err == nil { // else it was sealed or unlinked meanwhile
				limit = info.Size()
			}
		}
		if begin > 0 && begin >= limit || grows && limit <= headerSize {
			continue // seen before, or no record yet
		}
		if !s.listPack(ctx, t, k, begin, limit, yield) {
			return false
		}
	}
	return true
}

func (s *Store) listPack(ctx context.Context, t storage.TenantID, k storage.Key, begin, limit int64,
	yield func(blob.Record, error) bool,
) bool {
	h, err := s.handles.get(k)
	if errs.Is(err, errs.NotFound) {
		return true // unlinked meanwhile
	}
	if err != nil {
		return yield(blob.Record{}, err)
	}
	defer s.handles.put(h)
	if st, err := h.f.Stat(); err == nil {
		limit = min(limit, st.Size())
	}
	start := max(begin, headerSize)
	if start > headerSize && start < limit {
		// Erase merges neighbours, so a boundary seen before may lie within a hole now: then
		// walk from the beginning.
		if _, err := readRecord(h.f, h.salt, start); errors.Is(err, errNoRecord) {
			start = headerSize
		}
	}
	more := true
	_, err = scan(h.f, h.salt, start, limit, func(r recordHeader) bool {
		if r.state != stateLive || r.offset < begin {
			return true
		}
		if cerr := ctx.Err(); cerr != nil {
			more = yield(blob.Record{}, errs.E(errs.Canceled, "fs.List", cerr)) && false
			return false
		}
		more = yield(record(t, k, r), nil)
		return more
	})
	if err != nil {
		return yield(blob.Record{}, fail("fs.List", err))
	}
	return more
}
