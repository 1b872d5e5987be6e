package main

import (
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob/s3/s3test"
)

// A data directory with SQLite alone belongs to one process, as one with everything does.
func TestLockBesideObjectStore(t *testing.T) {
	f := engineFlags{Data: t.TempDir()}
	f.S3.Endpoint, f.S3.AccessKey, f.S3.SecretKey = s3test.Fake(t), "a", "b"
	st, err := f.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.open(t.Context()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("second process: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err = f.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	st.Close()
}

func TestSecretsStayOut(t *testing.T) {
	t.Setenv("AURELIUS_S3_SECRET_KEY", "hidden1")
	t.Setenv("AURELIUS_DATABASE", "postgres://u:hidden2@h/d")
	code, out := settings(t, "serve", "--print-config")
	if code != 0 || strings.Contains(out, "hidden") || !strings.Contains(out, `s3-secret-key: "***"`) || !strings.Contains(out, "u:xxxxx@h") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// A database and the objects of another archive, or an empty place where objects should be, are
// not taken for one.
func TestIdentity(t *testing.T) {
	ctx, endpoint := t.Context(), s3test.Fake(t)
	at := func(dir, prefix string) *engineFlags {
		f := &engineFlags{Data: dir}
		f.S3.Endpoint, f.S3.AccessKey, f.S3.SecretKey, f.S3.Prefix = endpoint, "a", "b", prefix
		return f
	}
	identify := func(f *engineFlags, claim, fill bool) (string, error) {
		t.Helper()
		st, err := f.open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		id, err := f.identify(ctx, st, claim)
		if fill {
			storeFirst(t, archive.New(archive.Config{}, st.blobs, st.index))
		}
		return id, err
	}
	ours, theirs := t.TempDir(), t.TempDir()
	id, err := identify(at(ours, "h/"), false, true)
	if err != nil || id == "" {
		t.Fatalf("%q, %v", id, err)
	}
	if again, err := identify(at(ours, "h/"), false, false); err != nil || again != id {
		t.Errorf("the second time %q, %v; the first %q", again, err, id)
	}
	if _, err := identify(at(theirs, "h/"), false, false); err == nil {
		t.Error("an empty database took over the objects of another one")
	}
	if _, err := identify(at(ours, "typo/"), false, false); err == nil {
		t.Error("a full database took an empty place for its objects")
	}
	local := &engineFlags{Data: ours}
	if again, err := identify(local, false, false); err != nil || again != id {
		t.Errorf("one directory needs no label: %q, %v", again, err)
	}
	claimed, err := identify(at(theirs, "h/"), true, false)
	if err != nil || claimed == id {
		t.Errorf("a rebuild: %q, %v", claimed, err)
	}
	if _, err := identify(at(ours, "h/"), false, false); err == nil {
		t.Error("the old database goes on with objects that a rebuild has claimed")
	}
}
