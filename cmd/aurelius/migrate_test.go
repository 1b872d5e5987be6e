package main

import (
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/storage/sqldb/sqltest"
)

// A database is made ready twice, then served by an archive that finds nothing to do.
func TestMigrate(t *testing.T) {
	url, _ := sqltest.PostgresAt(t)
	for name, args := range map[string][]string{
		"sqlite": {"migrate", "--data", t.TempDir()}, "postgres": {"migrate", "--data", t.TempDir(), "--database", url},
	} {
		for range 2 {
			if code, out := settings(t, args...); code != 0 || !strings.Contains(out, "up to date") {
				t.Errorf("%s: exit %d: %s", name, code, out)
			}
		}
	}
	if code, out := settings(t, "migrate", "--database", "mysql://x"); code != 2 || !strings.Contains(out, "postgres://") {
		t.Errorf("exit %d: %s", code, out)
	}
}
