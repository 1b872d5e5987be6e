package jobs

import (
	"time"

	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// migrations of the component "jobs"; docs/DATA_MODEL.md describes the tables.
var migrations = []string{`
CREATE TABLE job (
	id           TEXT PRIMARY KEY,
	tenant       TEXT NOT NULL,
	kind         TEXT NOT NULL,
	unique_key   TEXT NOT NULL,
	args         BLOB,
	state        TEXT NOT NULL,
	priority     BIGINT NOT NULL,
	attempt      BIGINT NOT NULL,
	max_attempts BIGINT NOT NULL,
	percent      BIGINT NOT NULL,
	note         TEXT NOT NULL,
	error        TEXT NOT NULL,
	node         TEXT NOT NULL,
	cancel       BOOLEAN NOT NULL,
	again        BOOLEAN NOT NULL,
	lease_until  BIGINT NOT NULL,
	run_at       BIGINT NOT NULL,
	created      BIGINT NOT NULL,
	started      BIGINT NOT NULL,
	finished     BIGINT NOT NULL
);
CREATE UNIQUE INDEX job_unique ON job (tenant, kind, unique_key) WHERE unique_key <> '' AND state IN ('waiting', 'running');
CREATE INDEX job_due ON job (priority DESC, run_at, id) WHERE state = 'waiting';
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'running';
CREATE INDEX job_ended ON job (state, finished) WHERE finished > 0;
CREATE INDEX job_of_tenant ON job (tenant, id);
CREATE INDEX job_by_state ON job (tenant, state, id);
CREATE INDEX job_by_kind ON job (tenant, kind, id);
CREATE TABLE job_period (
	tenant     TEXT NOT NULL,
	kind       TEXT NOT NULL,
	unique_key TEXT NOT NULL,
	began      BIGINT NOT NULL,
	PRIMARY KEY (tenant, kind, unique_key)
);
`}

// columns are what scan reads.
const columns = `id, tenant, kind, args, state, priority, attempt, max_attempts, percent, note, error, node,
	cancel, again, run_at, created, started, finished`

// record is a job with what only the queue looks at.
type record struct {
	Job
	again bool
}

func scan(rows sqldb.RowSet) (r record, err error) {
	var tenant, state string
	var priority, attempt, most, percent, runAt, created, started, finished int64
	err = rows.Scan(&r.ID, &tenant, &r.Kind, &r.Args, &state, &priority, &attempt, &most, &percent, &r.Note, &r.Error,
		&r.Node, &r.Cancelling, &r.again, &runAt, &created, &started, &finished)
	r.Tenant, r.State = storage.TenantID(tenant), State(state)
	r.Priority, r.Attempt, r.MaxAttempts, r.Percent = int(priority), int(attempt), int(most), int(percent)
	r.RunAt, r.Created, r.Started, r.Finished = instant(runAt), instant(created), instant(started), instant(finished)
	return r, err
}

func instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// all reads the jobs a query finds; the query begins with selectJobs.
func all(tx sqldb.Tx, query string, args ...any) (out []record, err error) {
	err = sqldb.Each(tx, func(rows sqldb.RowSet) error {
		r, err := scan(rows)
		out = append(out, r)
		return err
	}, query, args...)
	return out, err
}

const (
	selectJobs = `SELECT ` + columns + ` FROM job `
	// SQLite uses a partial index only for a query that repeats its condition.
	selectUnique = selectJobs + `WHERE tenant = $1 AND kind = $2 AND unique_key = $3
		AND unique_key <> '' AND state IN ('waiting', 'running')`
	selectHeld = selectJobs + `WHERE state = 'running' AND node = $1`
)
