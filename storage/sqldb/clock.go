package sqldb

import "time"

// Now is the time by the one clock all nodes share: the database's. With SQLite there is one
// machine, and it is ours.
func Now(tx Tx, d Dialect) (time.Time, error) {
	if d != Postgres {
		return time.Now(), nil
	}
	var micros int64
	err := Each(tx, func(rows RowSet) error { return rows.Scan(&micros) },
		`SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`)
	return time.UnixMicro(micros), err
}
