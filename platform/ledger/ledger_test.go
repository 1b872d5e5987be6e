package ledger_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/platform/ledger"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "platform.sqlite")
	a, b := blob.Location{Object: "default/a", Offset: 64, Length: 10}, blob.Location{Object: "default/b", Offset: 128, Length: 1 << 40}
	for round := range 2 { // the second on what the first left
		db, err := sqldb.OpenSQL(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.New(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"", "there"}[round]
		if got, err := l.Mark(t.Context(), "scrub"); got != want || err != nil {
			t.Errorf("Mark: %q, %v, want %q", got, err, want)
		}
		for _, value := range []string{"here", "there"} {
			if err := l.SetMark(t.Context(), "scrub", value); err != nil {
				t.Fatal(err)
			}
		}
		for _, at := range []blob.Location{b, a, a} {
			if err := l.SetDamaged(t.Context(), at, true); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := l.Damaged(t.Context()); err != nil || !slices.Equal(got, []blob.Location{a, b}) {
			t.Errorf("Damaged: %v, %v", got, err)
		}
		for range 2 {
			if err := l.SetDamaged(t.Context(), b, false); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := l.Damaged(t.Context()); err != nil || !slices.Equal(got, []blob.Location{a}) {
			t.Errorf("Damaged: %v, %v", got, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
