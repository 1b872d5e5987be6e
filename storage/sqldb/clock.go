package sqldb

import "time"

// Now is the time by the one clock all nodes share: the database's. With SQLite there is one
// machine, and it is ours.
func Now(tx Tx, d Dialect) (time.Time, error) {
	if d != Postgres {
		return time.Now(), nil
	}
	rows, err := tx.Query(`SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`)
	if err != nil {
		return time.Time{}, err
	}
	defer rows.Close()
	var micros int64
	if rows.Next() {
		if err := rows.Scan(&micros); err != nil {
			return time.Time{}, err
		}
	}
	return time.UnixMicro(micros), rows.Err()
}
