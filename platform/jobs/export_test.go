package jobs

import "github.com/aurelius-imaging/aurelius/storage"

// Plans are the statements that must not read the table from end to end, with the index each uses.
func (q *Queue) Plans(t storage.TenantID) map[string]string {
	c := q.candidates()
	byState, _ := Filter{State: Dead}.query(t)
	byKind, _ := Filter{Kind: "work"}.query(t)
	plain, _ := Filter{}.query(t)
	return map[string]string{
		c.due: "job_due", c.lost: "job_leased", selectHeld: "job_leased", selectUnique: "job_unique",
		byState: "job_by_state", byKind: "job_by_kind", plain: "job_of_tenant", sweepEnded: "job_ended",
	}
}
