package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/gateway"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/platform/jobs"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

func TestEveryKindHasAStatus(t *testing.T) {
	t.Parallel()
	for _, k := range errs.Kinds() {
		if _, ok := gateway.Status[k]; !ok && k != errs.Canceled { // nobody is there to be answered
			t.Errorf("%v has none", k)
		}
	}
}

// jobJSON is what a client reads.
type jobJSON struct {
	ID, Kind, State, Note string
	Percent, Attempt      int
	Cancelling            bool
	Created               time.Time
	Finished              *time.Time
}

type jobServer struct {
	t *testing.T
	http.Handler
}

func (s jobServer) ask(method, path string, code int, v any) http.Header {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	if w.Code != code {
		s.t.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, code, w.Body)
	}
	want := "application/json"
	if code >= 400 {
		want = "application/problem+json"
	}
	if got := w.Header().Get("Content-Type"); got != want {
		s.t.Errorf("%s %s: %s", method, path, got)
	}
	if strings.Contains(w.Body.String(), "secret") {
		s.t.Errorf("%s %s shows the arguments: %s", method, path, w.Body)
	}
	if v != nil {
		if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
			s.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return w.Header()
}

func TestJobs(t *testing.T) {
	t.Parallel()
	db, err := sqldb.OpenSQL(filepath.Join(t.TempDir(), "platform.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	q, err := jobs.Open(t.Context(), db, jobs.Config{Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := gin.New()
	events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	gateway.New(gateway.Config{Jobs: q, Events: events}).Register(r)
	s := jobServer{t, r}

	enqueue := func(tenant storage.TenantID, kind string) string {
		t.Helper()
		id, err := q.Enqueue(t.Context(), jobs.Request{Tenant: tenant, Kind: kind, Args: []byte(`"secret"`)})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	var ids []string
	for range 5 {
		ids = append(ids, enqueue(storage.DefaultTenant, "idle"))
	}
	strange := enqueue("other", "idle")

	var page struct {
		Jobs []jobJSON
		Next string
	}
	s.ask("GET", "/jobs", 200, &page)
	if len(page.Jobs) != 5 || page.Next != "" || page.Jobs[0].State != "waiting" || page.Jobs[0].Created.IsZero() {
		t.Errorf("%+v", page)
	}
	seen := map[string]bool{}
	for path, pages := "/jobs?limit=2&kind=idle&state=waiting", 0; ; pages++ {
		page.Next = ""
		h := s.ask("GET", path, 200, &page)
		for _, j := range page.Jobs {
			seen[j.ID] = true
		}
		if page.Next == "" {
			if pages != 2 || h.Get("Link") != "" {
				t.Errorf("the last page is number %d, link %q", pages, h.Get("Link"))
			}
			break
		}
		if link := h.Get("Link"); link != "<"+page.Next+`>; rel="next"` {
			t.Error("link", link)
		}
		path = "/jobs" + page.Next
	}
	if len(seen) != 5 {
		t.Errorf("the pages hold %d jobs", len(seen))
	}
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "state=sleeping", "after=garbage", "after=" + strings.ToUpper("0123456789abcdef0123456789ab"), "after=0123"} {
		s.ask("GET", "/jobs?"+bad, 400, nil)
	}

	var j jobJSON
	s.ask("POST", "/jobs/"+ids[0]+"/retry", 409, nil)
	s.ask("POST", "/jobs/"+ids[0]+"/cancel", 200, &j)
	if j.ID != ids[0] || j.State != "cancelled" || j.Finished == nil {
		t.Errorf("%+v", j)
	}
	s.ask("POST", "/jobs/"+ids[0]+"/cancel", 200, nil)
	j = jobJSON{}
	s.ask("POST", "/jobs/"+ids[0]+"/retry", 200, &j)
	if j.State != "waiting" || j.Finished != nil {
		t.Errorf("%+v", j)
	}
	for _, id := range []string{strange, "nothing"} { // another tenant's job is not there either
		s.ask("GET", "/jobs/"+id, 404, nil)
		s.ask("POST", "/jobs/"+id+"/cancel", 404, nil)
		s.ask("POST", "/jobs/"+id+"/retry", 404, nil)
	}

	started, stopped := make(chan struct{}), make(chan struct{})
	q.Handle("busy", func(ctx context.Context, j jobs.Job) error {
		close(started)
		<-ctx.Done()
		<-stopped
		return ctx.Err()
	})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = q.Run(ctx) }) // nil by contract
	t.Cleanup(func() { stop(); wg.Wait() })
	id := enqueue(storage.DefaultTenant, "busy")
	<-started
	s.ask("POST", "/jobs/"+id+"/cancel", 202, &j)
	if j.State != "running" || !j.Cancelling {
		t.Errorf("%+v", j)
	}
	close(stopped)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for j.State != "cancelled" {
		<-tick.C
		j = jobJSON{}
		s.ask("GET", "/jobs/"+id, 200, &j)
	}

	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/events", nil))
	if w.Code != 200 || w.Body.String() != "/events" {
		t.Errorf("GET /events: %d %s", w.Code, w.Body)
	}
}
