package sqldb

import (
	"context"
	"fmt"
)

// Sync makes durable what was committed before it was called, also by plain transactions. When
// nothing was, it costs nothing.
func (db *DB) Sync(ctx context.Context) error {
	// Commits are counted before a reader can see them, so that none is missed here.
	n := db.commits.Load()
	if db.synced.Load() >= n {
		return nil
	}
	err := db.Write(ctx, Durable, func(c *Conn) error {
		// A durable commit takes those before it along, but has to write something: the schema's
		// version as it is.
		version, err := c.Int("PRAGMA user_version")
		if err != nil {
			return err
		}
		return c.script(fmt.Sprintf("PRAGMA user_version=%d", version))
	})
	if err == nil {
		db.synced.Store(n + 1) // with its own; a smaller one of another caller costs one Sync more
	}
	return err
}
