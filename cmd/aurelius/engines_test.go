package main

import (
	"strings"
	"testing"

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
