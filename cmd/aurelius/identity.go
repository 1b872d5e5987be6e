package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
)

// markArchive is the ledger's mark with the archive's name: a random word that the database and
// each store of objects carry, so that one that belongs to another archive, or an empty one under
// a mistyped address, is not taken for ours. There, what is missing would be taken for lost, and
// what is erased would stay.
const markArchive = "archive"

var errForeign = errors.New("the objects belong to another database: check --database and --s3-endpoint; " +
	"to make these objects the archive of this database, `aurelius fsck --rebuild` into an empty one")

// identify compares the names, or gives one to what is new, and returns it. claim makes the
// stores this database's own, whoever's they were.
func (f *engineFlags) identify(ctx context.Context, st *stores, claim bool) (string, error) {
	known, err := st.marks.Mark(ctx, markArchive)
	if err != nil {
		return "", err
	}
	id := known
	if known == "" {
		if err := f.unclaimed(ctx, st, claim); err != nil {
			return "", err
		}
		if id, err = st.marks.Claim(ctx, markArchive, rand.Text()); err != nil {
			return "", err
		}
	}
	if !f.apart() {
		return id, nil
	}
	used, err := st.index.Usage(ctx, storage.DefaultTenant)
	if err != nil {
		return "", err
	}
	for _, b := range st.labeled() {
		label, err := b.Label(ctx)
		if err != nil {
			return "", err
		}
		switch {
		case label == id:
			continue
		case label != "" && !claim:
			return "", errForeign
		case known != "" && used.Instances > 0 && !claim:
			return "", fmt.Errorf("the database knows %d instances, and the place of objects that is named has never held any of them: "+
				"check --s3-endpoint, --s3-prefix and --data", used.Instances)
		}
		if err := b.SetLabel(ctx, id); err != nil {
			return "", err
		}
	}
	return id, nil
}

// unclaimed refuses to begin an archive over objects that have one.
func (f *engineFlags) unclaimed(ctx context.Context, st *stores, claim bool) error {
	if claim || !f.apart() {
		return nil
	}
	for _, b := range st.labeled() {
		if label, err := b.Label(ctx); err != nil {
			return err
		} else if label != "" {
			return errForeign
		}
	}
	return nil
}

// apart reports whether database and objects may be mixed up: they are not in one directory.
func (f *engineFlags) apart() bool { return f.Database != "" || f.S3.Endpoint != "" }

func (s *stores) labeled() []blob.Labeled {
	var out []blob.Labeled
	for _, b := range []blob.Store{s.blobs, s.derived} {
		if l, ok := b.(blob.Labeled); ok {
			out = append(out, l)
		}
	}
	return out
}

// newEpoch gives a restored archive another name: caches may hold what the old one said after the
// backup was made.
func newEpoch(ctx context.Context, st *stores) error {
	return st.marks.SetMark(ctx, markArchive, rand.Text())
}
