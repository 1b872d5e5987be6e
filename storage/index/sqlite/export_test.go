package sqlite

import (
	"context"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// Explain returns SQLite's plan for finding the studies (patients) of a query.
func (ix *Index) Explain(q *query.Query) (plan string, err error) {
	err = ix.read(context.Background(), storage.DefaultTenant, func(c *sqldb.Conn, tenant int64) error {
		p := newPlan(tenant, q)
		sql, args, order := selectStudies, []any{p.tenant}, studyOrder
		if p.level == query.Patient {
			sql, order = selectPatients, patientOrder
		}
		if p.byUID {
			cond, more := oneOf(p.uids)
			return explain(c, &plan, selectByUID+`i.attrs`+fromByUID+cond+orderByUID+` LIMIT ? OFFSET ?`, append(append(args, more...), 10, 0)...)
		}
		return explain(c, &plan, sql+p.from+p.studies.sql.String()+order, append(append(args, p.studies.args...), 10, 0)...)
	})
	return plan, err
}

// ExplainFixed returns the plans of the statements that do not depend on a question.
func (ix *Index) ExplainFixed() (map[string]string, error) {
	out := make(map[string]string)
	err := ix.read(context.Background(), storage.DefaultTenant, func(c *sqldb.Conn, tenant int64) error {
		for name, s := range map[string]struct {
			sql  string
			args []any
		}{
			"series of a study":     {selectSeriesMatches + seriesOrder, []any{1}},
			"instances of a series": {selectInstances + `i.attrs` + fromInstances + instanceOrder, []any{1, 0, 0, 10, 0}},
			"studies behind":        {selectStudies + fromNewest + studyAfter + studyOrder, []any{1, "", "", 0, 10, 0}},
			"a remembered page":     {selectStudies + fromNewest + studyFrom + studyOrder, []any{1, "", "", 0, 10, 0}},
			"leap to a deep page":   {selectCounts + `s.instances FROM ` + fromNewest + studyOrder, []any{1, -1, 0}},
			"series of studies":     {selectSeriesOfStudies + seriesOfStudiesOrder, []any{"[1,2]"}},
			"recent":                {selectStudies + recentStudies, []any{1, 10}},
			"study state":           {selectStudyState, []any{1, "1"}},
			"locate":                {locateColumns + `, d.header` + locateSeries + locateData + locateOrder, []any{1, 0, 0, 10}},
			"locate one":            {locateColumns + locateOne + ` WHERE i.tenant=? AND i.uid=?`, []any{1, "1"}},
			"series states":         {selectSeriesByBoth, []any{"1", 1, "1"}},
			"changes":               {selectChanges, []any{0, 1, 10}},
			"has":                   {selectKnown, []any{"k", 1, 1}},
			"entry":                 {selectEntry, []any{1, "1"}},
			"remove a study":        {selectUnderStudy, []any{1, "1"}},
			"discarded of a study":  {selectTrash + trashOfTenant + ` AND d.study=?` + newestTrash, []any{1, 2, "1", 10}},
			"expired":               {selectExpired, []any{1, 10}},
			"discarded one":         {selectDiscarded, []any{1}},
		} {
			var plan string
			if err := explain(c, &plan, s.sql, s.args...); err != nil {
				return err
			}
			out[name] = plan
		}
		return nil
	})
	return out, err
}

// Remembered is how many objects the writer remembers.
func (ix *Index) Remembered() int { return len(ix.state.objects) }

func explain(c *sqldb.Conn, plan *string, sql string, args ...any) error {
	r, err := c.Query("EXPLAIN QUERY PLAN "+sql, args...)
	if err != nil {
		return err
	}
	defer r.Close()
	var lines []string
	for r.Next() {
		lines = append(lines, r.Text(3))
	}
	*plan = strings.Join(lines, "\n")
	return r.Err()
}

// Uncount drops what is counted and counts it as the migration does.
func (ix *Index) Uncount() error {
	scripts, err := scripts()
	if err != nil {
		return err
	}
	count := scripts[2][strings.Index(scripts[2], "INSERT INTO usage"):]
	return ix.db.Write(context.Background(), sqldb.Durable, func(c *sqldb.Conn) error {
		if _, err := c.Exec(`DELETE FROM usage`); err != nil {
			return err
		}
		_, err := c.Exec(strings.TrimRight(strings.TrimSpace(count), ";"))
		return err
	})
}
