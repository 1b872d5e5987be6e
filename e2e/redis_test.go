package e2e

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestRedisDies: two nodes share what they make of series that grow. Redis is killed in the
// middle of it, and comes back: every answer is right, and nobody waits for the dead.
func TestRedisDies(t *testing.T) {
	t.Parallel()
	redis := testkit.NewPart(t, "redis")
	c := newArchive(t, 2, "--redis", redis.URL, "--seal-after", "1h")
	grown := 0
	var slowest time.Duration
	// grow adds an instance to four series, and asks both nodes for the metadata of all.
	grow := func() {
		grown++
		var group sync.WaitGroup
		var mu sync.Mutex
		for study := range 4 {
			group.Go(func() {
				if rsp := c.nodes[study%2].cstore(t, ct(1, study, grown).object()); rsp.status != 0 {
					t.Errorf("C-STORE: %v", rsp)
				}
				var both sync.WaitGroup
				for _, s := range c.nodes {
					both.Go(func() {
						began := time.Now()
						// By one name, as behind a load balancer: the addresses in metadata follow it.
						status, _, body := s.get(t, "/studies/"+uidOf(1, study)+"/series/"+uidOf(1, study, 1)+"/metadata",
							"X-Forwarded-Host", "archive.example")
						var got []dicomJSON
						if err := json.Unmarshal(body, &got); status != http.StatusOK || err != nil || len(got) != grown {
							t.Errorf("metadata: status %d, %v, %d instances, want %d", status, err, len(got), grown)
						}
						mu.Lock()
						defer mu.Unlock()
						slowest = max(slowest, time.Since(began))
					})
				}
				both.Wait()
			})
		}
		group.Wait()
	}
	shares := func(when string) {
		t.Helper()
		hits := c.metric(t, `aurelius_cache_shared_requests_total{result="hit"}`)
		for deadline := time.Now().Add(eventually); c.metric(t, `aurelius_cache_shared_requests_total{result="hit"}`) == hits; {
			if time.Now().After(deadline) || t.Failed() {
				t.Fatalf("%s: the nodes share nothing", when)
			}
			grow()
		}
	}
	shares("at first")
	t.Logf("with Redis the slowest took %v", slowest)
	slowest = 0
	var dead sync.WaitGroup
	dead.Go(redis.Kill)
	for range 20 {
		grow()
	}
	dead.Wait()
	t.Logf("without it %v", slowest)
	if slowest > 10*time.Second {
		t.Errorf("an answer took %v", slowest)
	}
	redis.Restart()
	shares("Redis is back")
}

// metric sums a value over the nodes.
func (c *cluster) metric(t testing.TB, name string) (sum float64) {
	t.Helper()
	for _, s := range c.nodes {
		status, body := s.api(t, http.MethodGet, "/metrics", "")
		if status != http.StatusOK {
			t.Errorf("/metrics: status %d", status)
		}
		for line := range strings.Lines(string(body)) {
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
				if err != nil {
					t.Error(err)
				}
				sum += v
			}
		}
	}
	return sum
}
