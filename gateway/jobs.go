package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
)

// job is a jobs.Job on the wire. Its arguments stay inside.
type job struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind"`
	State       jobs.State `json:"state"`
	Priority    int        `json:"priority"`
	Attempt     int        `json:"attempt"`
	MaxAttempts int        `json:"max_attempts"`
	Percent     int        `json:"percent"`
	Note        string     `json:"note,omitempty"`
	Error       string     `json:"error,omitempty"`
	Node        string     `json:"node,omitempty"`
	Cancelling  bool       `json:"cancelling,omitempty"`
	Created     time.Time  `json:"created"`
	RunAt       time.Time  `json:"run_at"`
	Started     *time.Time `json:"started,omitempty"`
	Finished    *time.Time `json:"finished,omitempty"`
}

func wire(j jobs.Job) job {
	return job{ID: j.ID, Kind: j.Kind, State: j.State, Priority: j.Priority, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		Percent: j.Percent, Note: j.Note, Error: j.Error, Node: j.Node, Cancelling: j.Cancelling,
		Created: j.Created.UTC(), RunAt: j.RunAt.UTC(), Started: instant(j.Started), Finished: instant(j.Finished)}
}

// instant leaves out a time that has not come.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// maxPage bounds one answer of GET /jobs.
const maxPage = 1000

// listJobs answers GET /jobs?state=&kind=&limit=&after=, the youngest first. A full page names
// the next one in next and in a Link header.
func (a *API) listJobs(c *gin.Context) {
	f := jobs.Filter{State: jobs.State(c.Query("state")), Kind: c.Query("kind"), After: c.Query("after"), Limit: 100}
	if f.State != "" && !slices.Contains(jobs.States(), f.State) {
		a.fail(c, errs.Errorf(errs.Invalid, "gateway", "no such state"))
		return
	}
	if v := c.Query("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxPage {
			a.fail(c, errs.Errorf(errs.Invalid, "gateway", "limit is a number from 1 to %d", maxPage))
			return
		}
		f.Limit = n
	}
	list, err := a.jobs.List(c.Request.Context(), a.tenant, f)
	if err != nil {
		a.fail(c, err)
		return
	}
	page := struct {
		Jobs []job  `json:"jobs"`
		Next string `json:"next,omitempty"`
	}{Jobs: make([]job, 0, len(list))}
	for _, j := range list {
		page.Jobs = append(page.Jobs, wire(j))
	}
	if len(list) == f.Limit {
		q := url.Values{"after": {list[len(list)-1].ID}, "limit": {strconv.Itoa(f.Limit)}}
		if f.State != "" {
			q.Set("state", string(f.State))
		}
		if f.Kind != "" {
			q.Set("kind", f.Kind)
		}
		page.Next = "?" + q.Encode() // relative: right behind any proxy
		c.Writer.Header().Set("Link", "<"+page.Next+`>; rel="next"`)
	}
	answer(c, http.StatusOK, page)
}

func (a *API) getJob(c *gin.Context) {
	j, err := a.jobs.Get(c.Request.Context(), a.tenant, c.Param("id"))
	a.answerJob(c, http.StatusOK, j, err)
}

// cancelJob answers 200 when the job is cancelled and 202 when its node has yet to stop it.
func (a *API) cancelJob(c *gin.Context) {
	j, err := a.jobs.Cancel(c.Request.Context(), a.tenant, c.Param("id"))
	code := http.StatusOK
	if j.Cancelling {
		code = http.StatusAccepted
	}
	a.answerJob(c, code, j, err)
}

func (a *API) retryJob(c *gin.Context) {
	j, err := a.jobs.Retry(c.Request.Context(), a.tenant, c.Param("id"))
	a.answerJob(c, http.StatusOK, j, err)
}

func (a *API) answerJob(c *gin.Context, code int, j jobs.Job, err error) {
	if err != nil {
		a.fail(c, err)
		return
	}
	answer(c, code, wire(j))
}

// answer writes JSON that is true for this moment only.
func answer(c *gin.Context, code int, v any) {
	body, _ := json.Marshal(v) // strings, numbers and times of this century always marshal
	h := c.Writer.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	c.Writer.WriteHeader(code)
	_, _ = c.Writer.Write(body) // a peer that went away
}
