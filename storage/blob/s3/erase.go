package s3

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/minio/minio-go/v7"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// Erase deletes the records' objects, with all their versions where the bucket keeps some. It
// heeds readers of this process: a reader of another node fails with errs.NotFound when its
// connection breaks.
func (s *Store) Erase(ctx context.Context, ls ...blob.Location) error {
	if err := ctx.Err(); err != nil {
		return errs.E(errs.Canceled, "s3.Erase", err)
	}
	keys, busy := s.doom(ls)
	var all error
	for batch := range slices.Chunk(keys, 1000) { // as many as one request takes
		err := s.remove(ctx, batch)
		if err == nil {
			s.buried(batch)
		}
		all = errors.Join(all, err)
	}
	if all == nil && busy {
		return errs.Errorf(errs.Unavailable, "s3.Erase", "the object is being read")
	}
	return all
}

// doom hides the records from those who come now and returns which can be deleted already.
func (s *Store) doom(ls []blob.Location) (keys []storage.Key, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range ls {
		if !ours(l) {
			continue // never was
		}
		s.doomed[l.Object] = struct{}{}
		if s.readers[l.Object] > 0 {
			busy = true
		} else {
			keys = append(keys, l.Object)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys), busy
}

// buried forgets what the store itself does not have any more.
func (s *Store) buried(keys []storage.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		delete(s.doomed, k)
	}
}

func (s *Store) isDoomed(k storage.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, doomed := s.doomed[k]
	return doomed
}

// remove deletes objects, up to 1000. Those that are not there are no error.
func (s *Store) remove(ctx context.Context, keys []storage.Key) error {
	objects := make([]minio.ObjectInfo, len(keys))
	for i, k := range keys {
		objects[i].Key = s.object(k)
	}
	marked, err := s.removeObjects(ctx, objects)
	for _, o := range objects {
		if s.versioned || marked[o.Key] {
			err = errors.Join(err, s.removeVersions(ctx, o.Key))
		}
	}
	return err
}

var errNotConfirmed = errors.New("the object store did not confirm a deletion")

// removeObjects returns the objects that left a delete marker, and so all their bytes, behind.
func (s *Store) removeObjects(ctx context.Context, objects []minio.ObjectInfo) (marked map[string]bool, err error) {
	marked = map[string]bool{}
	left := map[[2]string]minio.ObjectInfo{}
	for _, o := range objects {
		left[[2]string{o.Key, o.VersionID}] = o
	}
	err = s.retry(ctx, "s3.Erase", func() error {
		pending := slices.Collect(maps.Values(left))
		results, err := s.core.RemoveObjectsWithIter(ctx, s.cfg.Bucket, slices.Values(pending), minio.RemoveObjectsOptions{})
		if err != nil {
			return err
		}
		var failed error
		for r := range results {
			if r.Err != nil && code(r.Err) != minio.NoSuchKey {
				failed = r.Err
				continue
			}
			id := [2]string{r.ObjectName, r.ObjectVersionID}
			if r.DeleteMarker && left[id].VersionID == "" {
				marked[r.ObjectName] = true
			}
			delete(left, id)
		}
		if failed == nil && len(left) > 0 {
			failed = errNotConfirmed
		}
		return failed
	})
	return marked, err
}

// removeVersions deletes every version of an object in a bucket that keeps them.
func (s *Store) removeVersions(ctx context.Context, name string) error {
	var versions []minio.ObjectInfo
	err := s.retry(ctx, "s3.Erase", func() error {
		versions = versions[:0]
		opts := minio.ListObjectsOptions{Prefix: name, WithVersions: true, Recursive: true}
		for o := range s.core.ListObjectsIter(ctx, s.cfg.Bucket, opts) {
			if o.Err != nil {
				return o.Err
			}
			if o.Key == name {
				versions = append(versions, minio.ObjectInfo{Key: o.Key, VersionID: o.VersionID})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(versions, 1000) {
		if _, err := s.removeObjects(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}
