package sqldb

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// migrationLock is the advisory lock that nodes starting at one time queue at ("aurelius").
const migrationLock = 0x617572656c697573

const createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
	component   TEXT NOT NULL,
	version     INTEGER NOT NULL,
	compatible  INTEGER NOT NULL,
	applied     TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (component, version)
)`

const (
	selectVersion   = `SELECT coalesce(max(version), 0), coalesce(max(compatible), 0) FROM schema_migrations WHERE component=$1`
	insertMigration = `INSERT INTO schema_migrations (component, version, compatible) VALUES ($1,$2,$3)`
)

// Migrate brings the tables of one component up to date: the scripts it has not seen, in order,
// each in a transaction, once even when several nodes start at one time. Forward only.
//
// In a rolling restart the old binary goes on for a while on the new schema. Each script tells
// what it asks of a binary by a line "-- compatible with N" (a binary that knows N scripts);
// without it, the one before it. A binary older than that is refused.
func (db *PostgresDB) Migrate(ctx context.Context, component string, scripts []string) error {
	const op = "sqldb.Migrate"
	for done := false; !done; {
		// A script may take longer than a call: it is bounded by the caller alone.
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) (err error) {
			done, err = migrateOne(ctx, tx, component, scripts)
			return err
		})
		if err != nil {
			return ClassifyPostgres(ctx, op, err)
		}
	}
	return nil
}

// migrateOne applies the next script and reports whether it was the last.
func migrateOne(ctx context.Context, tx pgx.Tx, component string, scripts []string) (done bool, err error) {
	for _, sql := range []string{`SET LOCAL statement_timeout=0`, `SET LOCAL lock_timeout=0`,
		`SET LOCAL client_min_messages=warning`,
		`SELECT pg_advisory_xact_lock(` + strconv.FormatInt(migrationLock, 10) + `)`, createMigrations} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return false, err
		}
	}
	var version, floor int64
	if err := tx.QueryRow(ctx, selectVersion, component).Scan(&version, &floor); err != nil {
		return false, err
	}
	m, err := nextMigration(component, scripts, version, floor)
	if m == nil {
		return true, err
	}
	// The simple protocol takes several statements at once.
	if strings.TrimSpace(m.script) != "" {
		if _, err := tx.Conn().PgConn().Exec(ctx, m.script).ReadAll(); err != nil {
			return false, fmt.Errorf("migration %d of %s: %w", m.version, component, err)
		}
	}
	_, err = tx.Exec(ctx, insertMigration, component, m.version, m.floor)
	return m.version == int64(len(scripts)), err
}
