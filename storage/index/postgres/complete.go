package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	// Open studies are few: those of the last quiet time, unless more arrive than are announced.
	selectQuiet = `SELECT id FROM studies WHERE NOT announced AND changed<=$1 ORDER BY id LIMIT $2`
	// Under the tenant's lock it looks again: the study may have changed, or another node may
	// have been faster.
	announce = `UPDATE studies SET announced=true WHERE tenant=$1 AND id=ANY($2) AND NOT announced AND changed<=$3 RETURNING uid`
)

// maxCompleted bounds one CompleteStudies.
const maxCompleted = 500

// CompleteStudies announces the studies that are quiet. The row of a study says whether it was
// announced as it is, so each state is announced once, on whatever node, and also after a crash.
func (ix *Index) CompleteStudies(ctx context.Context, quiet time.Time, limit int) (int, error) {
	const op = "postgres.CompleteStudies"
	if limit <= 0 || limit > maxCompleted {
		limit = maxCompleted
	}
	var ids []int64
	err := ix.read(ctx, op, everyTenant, statement{selectQuiet, []any{quiet.UnixNano(), limit}, scanIDs(&ids)})
	if err != nil {
		return 0, err
	}
	n := 0
	for tenant, studies := range byTenant(ids) {
		announced := 0
		err := ix.write(ctx, op, tenant, func(w *writer) error {
			var changes changeColumns
			err := w.look(statement{announce, []any{tenant, studies, quiet.UnixNano()}, each(func(r pgx.Rows) error {
				var ref index.Ref
				err := r.Scan(&ref.StudyInstanceUID)
				changes.add(w.nextChange(), w.now.UnixNano(), kindCompleted, ref, 0)
				return err
			})})
			announced = len(changes.id)
			if err != nil || announced == 0 {
				return err
			}
			s := changes.statement(tenant)
			w.queue(s.sql, s.args...)
			return nil
		})
		if err != nil {
			return n, err
		}
		n += announced
	}
	return n, nil
}
