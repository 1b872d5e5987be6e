package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Explain returns the server's plan for finding the studies (patients, instances) of a query.
func (ix *Index) Explain(t storage.TenantID, q *query.Query) (string, error) {
	ctx := context.Background()
	tenant, err := ix.tenantID(ctx, "explain", t)
	if err != nil {
		return "", err
	}
	p, err := ix.plan(ctx, "explain", tenant, q)
	if err != nil {
		return "", err
	}
	sql, args := number(selectStudies+p.studies.sql.String()+studyOrder+` LIMIT 64`), append([]any{tenant}, p.studies.args...)
	switch {
	case p.byUID:
		sql, args = fmt.Sprintf(selectByUID, `i.attrs`), []any{tenant, p.uids, 0}
	case p.level == query.Patient:
		sql = number(fmt.Sprintf(selectPatients, p.studies.sql.String(), 64))
		args = append(append([]any{tenant, rowID(tenant, 0), rowID(tenant+1, 0)}, p.studies.args...), 0)
	}
	return ix.explain(ctx, tenant, sql, args...)
}

// ExplainFixed returns the plans of the statements that do not depend on a question.
func (ix *Index) ExplainFixed(t storage.TenantID, study, instance string) (map[string]string, error) {
	ctx := context.Background()
	tenant, err := ix.tenantID(ctx, "explain", t)
	if err != nil {
		return nil, err
	}
	rows := []int64{rowID(tenant, 10), rowID(tenant, 20), rowID(tenant, 30)}
	counts := []int64{10, 10, 10}
	out := make(map[string]string)
	several, severalArgs, _ := instancesOf(ownColumns+headerOf, "", tenant, rows, counts, nil, 0, 0, 512)
	behind, behindArgs, _ := instancesOf(locateColumns, joinObject, tenant, rows, counts, nil, 5, rows[0], 256)
	for name, s := range map[string]statement{
		"series of studies":    {sql: number(selectSeries + seriesOrder), args: []any{tenant, rows}},
		"instances of series":  {sql: several, args: severalArgs},
		"instances behind one": {sql: behind, args: behindArgs},
		"studies behind":       {sql: number(selectStudies + studyAfter + studyOrder + ` LIMIT 64`), args: []any{tenant, "20200101", "", rows[0]}},
		"locate one":           {sql: locateColumns + locateOne, args: []any{tenant, instance}},
		"series states":        {sql: number(seriesStates + inTenant + ` AND s.uid=?` + statesOf), args: []any{tenant, study}},
		"recent":               {sql: selectRecent, args: []any{tenant, 10}},
		"changes":              {sql: selectChanges, args: []any{rowID(tenant, 5), rowID(tenant+1, 0), 100}},
		"has":                  {sql: selectHas, args: []any{"k", 1, 1}},
		"existing":             {sql: selectExisting, args: []any{tenant, []string{instance}}},
		"study states":         {sql: selectStudyStates, args: []any{tenant, []string{study}, []string{study}}},
		"quiet":                {sql: selectQuiet, args: []any{1, 10}},
		"unsealed":             {sql: selectUnsealed, args: []any{1, 10}},
		"remove a study":       {sql: number(selectRemoval + ` AND s.uid=? ORDER BY i.id`), args: []any{tenant, study}},
		"remove an instance":   {sql: number(selectRemoval + ` AND i.uid=? ORDER BY i.id`), args: []any{tenant, instance}},
	} {
		if out[name], err = ix.explain(ctx, tenant, s.sql, s.args...); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func (ix *Index) explain(ctx context.Context, tenant int64, sql string, args ...any) (string, error) {
	var lines []string
	scan := each(func(r pgx.Rows) error {
		var line string
		err := r.Scan(&line)
		lines = append(lines, line)
		return err
	})
	// The server is free to scan: that it does not is what is to be seen.
	err := ix.read(ctx, "explain", tenant, statement{sql: `SELECT set_config('enable_seqscan', 'on', true)`},
		statement{`EXPLAIN (COSTS OFF) ` + sql, args, scan})
	return strings.Join(lines, "\n"), err
}
