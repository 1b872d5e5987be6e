package scp_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range errs.Kinds() {
		row, ok := scp.StatusRow(kind)
		if !ok {
			t.Errorf("%v has no row", kind)
		}
		for column, s := range row {
			quiet := kind == errs.NotFound || kind == errs.Canceled // nothing there; asked to stop
			if s.Class() != dimse.Failure && !quiet {
				t.Errorf("%v in column %d is %v, which is no failure", kind, column, s)
			}
			if s.Class() == dimse.Pending {
				t.Errorf("%v in column %d is %v, which is not final", kind, column, s)
			}
		}
	}
}

func TestErrorCommentIsShortAndSafe(t *testing.T) {
	t.Parallel()
	secret := errors.New("/var/lib/aurelius: DOE^JOHN")
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"the cause stays in the log", errs.E(errs.Exhausted, "blob.Commit", secret), "exhausted"},
		{"unclassified", secret, "internal"},
		{"safe message", errs.Errorf(errs.Conflict, "archive.Store", "another object is stored"), "another object is stored"},
		{"not in the default repertoire", errs.Errorf(errs.Invalid, "x", "a\\b\nç"), "a?b???"},
		{"cut to an LO", errs.Errorf(errs.Invalid, "x", "%s", strings.Repeat("x", 100)), strings.Repeat("x", 64)},
	} {
		if got := scp.Comment(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
