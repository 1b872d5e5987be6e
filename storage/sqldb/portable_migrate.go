package sqldb

import (
	"context"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// schemaMigrations counts the scripts of each component that have run.
const schemaMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
	component TEXT PRIMARY KEY,
	version   BIGINT NOT NULL
);`

// scripter runs several statements at once; both engines' transactions can.
type scripter interface {
	Tx
	script(text string) error
}

// migrateComponent runs the scripts a database has not seen, each in a transaction with its
// number.
func migrateComponent(ctx context.Context, db SQL, component string, scripts []string) error {
	const op = "sqldb.Migrate"
	var version int64
	seen := func(tx Tx) (err error) {
		version, err = componentVersion(tx, component)
		return err
	}
	if err := db.Read(ctx, seen); err != nil {
		return err
	}
	for version < int64(len(scripts)) {
		if err := db.Write(ctx, func(tx Tx) error {
			// The row is the lock: who writes it first makes the others wait for its end.
			if _, err := tx.Exec(`INSERT INTO schema_migrations (component, version) VALUES ($1, 0)
				ON CONFLICT (component) DO UPDATE SET version = schema_migrations.version`, component); err != nil {
				return err
			}
			if err := seen(tx); err != nil || version >= int64(len(scripts)) {
				return err // another node was here
			}
			if err := tx.(scripter).script(scripts[version]); err != nil {
				return errs.E(errs.KindOf(err), op+" "+component, err)
			}
			version++
			_, err := tx.Exec(`UPDATE schema_migrations SET version = $2 WHERE component = $1`, component, version)
			return err
		}); err != nil {
			return err
		}
	}
	if version > int64(len(scripts)) {
		return errs.Errorf(errs.Unsupported, op, "the tables of %s were written by a newer version (schema %d, known %d)",
			component, version, len(scripts))
	}
	return nil
}

func componentVersion(tx Tx, component string) (version int64, err error) {
	rows, err := tx.Query(`SELECT version FROM schema_migrations WHERE component = $1`, component)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	if rows.Next() {
		if err := rows.Scan(&version); err != nil {
			return 0, err
		}
	}
	return version, rows.Err()
}
