package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestTwoNodesRead compares what two nodes answer with what one does. Each node may use a tenth
// of a core, as if it were a small machine of its own, so that on this machine neither the client
// nor PostgreSQL nor MinIO is the limit; what the machine has left is logged beside the figures.
func TestTwoNodesRead(t *testing.T) {
	if os.Getenv("AURELIUS_LONG") == "" {
		t.Skip("takes minutes of a quiet machine: make scale")
	}
	c := newArchive(t, 2, "--log-level", "warn", "--seal-after", "1s")
	const studies, each = 20, 20
	for study := range studies {
		objects := make([]object, each)
		for i := range objects {
			objects[i] = slice(study, 1, i).object()
		}
		if answer := c.nodes[study%2].stow(t, objects...); answer.status != http.StatusOK {
			t.Fatalf("STOW: status %d: %s", answer.status, answer.body)
		}
	}
	for _, s := range c.nodes {
		tenth(t, s)
	}
	for _, shape := range []struct {
		name string
		path func(i int) string
	}{
		{"QIDO, a patient's studies", func(i int) string { return fmt.Sprintf("/studies?PatientID=E2E-%d", i%studies) }},
		{"QIDO, 50 instances", func(i int) string { return fmt.Sprintf("/instances?limit=50&offset=%d", i%studies*each/2) }},
		{"metadata of a series", func(i int) string {
			return "/studies/" + uidOf(i%studies, 1) + "/series/" + uidOf(i%studies, 1, 1) + "/metadata"
		}},
		{"WADO, 526 kB", func(i int) string {
			m := slice(i%studies, 1, i/studies%each)
			return "/studies/" + uidOf(i%studies, 1) + "/series/" + uidOf(i%studies, 1, 1) + "/instances/" + m.uid()
		}},
	} {
		var one, two, idle []float64
		read(t, c.nodes, shape.path, time.Second) // warms both
		for range 5 {                             // in turn, so that what else the machine does meets both
			n, _ := read(t, c.nodes[:1], shape.path, 2*time.Second)
			one = append(one, n)
			n, free := read(t, c.nodes, shape.path, 2*time.Second)
			two, idle = append(two, n), append(idle, free)
		}
		ratio := median(two) / median(one)
		t.Logf("%-26s one node %6.0f/s, two %6.0f/s, %.2fx; with two the machine idles %2.0f %%",
			shape.name, median(one), median(two), ratio, 100*median(idle))
		if ratio < 1.7 {
			t.Errorf("%s: two nodes answer %.2f times what one does, want 1.7", shape.name, ratio)
		}
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// read asks the nodes in turn on eight connections each for the time, and returns answers per
// second, and how much of the machine was idle.
func read(t testing.TB, nodes []*server, path func(i int) string, most time.Duration) (perSecond, idle float64) {
	t.Helper()
	const perNode = 8
	transport := &http.Transport{MaxIdleConnsPerHost: perNode, ReadBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var n, next atomic.Int64
	var group sync.WaitGroup
	total, free := cpuTimes(t)
	began := time.Now()
	for k := range perNode * len(nodes) {
		group.Go(func() {
			for time.Since(began) < most {
				request, err := http.NewRequest(http.MethodGet, nodes[k%len(nodes)].web(path(int(next.Add(1)))), nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Accept-Encoding", "gzip")
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("status %d, %v", response.StatusCode, err)
					return
				}
				n.Add(1)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	totalNow, freeNow := cpuTimes(t)
	return float64(n.Load()) / took.Seconds(), (freeNow - free) / (totalNow - total)
}

// cpuTimes are those of the machine since it was started: of all kinds, and idle.
func cpuTimes(t testing.TB) (total, idle float64) {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Skip("no /proc here")
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line)[1:] {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		if total += v; i == 3 || i == 4 { // idle, and waiting for a disk
			idle += v
		}
	}
	return total, idle
}

// tenth gives a node a tenth of a core at most, by a control group of version 1 or 2.
func tenth(t testing.TB, s *server) {
	t.Helper()
	name := "aurelius-e2e-" + strconv.Itoa(s.cmd.Process.Pid)
	for _, way := range []struct {
		root   string
		limits map[string]string
	}{
		{"/sys/fs/cgroup/cpu", map[string]string{"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "2000"}},
		{"/sys/fs/cgroup", map[string]string{"cpu.max": "2000 20000"}},
	} {
		dir := filepath.Join(way.root, name)
		err := os.Mkdir(dir, 0o755)
		t.Cleanup(func() { // before the node ends, so it moves out
			_ = os.WriteFile(filepath.Join(way.root, "cgroup.procs"), []byte(strconv.Itoa(s.cmd.Process.Pid)), 0o644)
			_ = os.Remove(dir)
		})
		for file, limit := range way.limits {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, file), []byte(limit), 0o644))
		}
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(s.cmd.Process.Pid)), 0o644)); err == nil {
			return
		}
		t.Logf("%s: %v", dir, err)
	}
	testkit.Missing(t, "the right to make a control group")
}
