package e2e

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNodes: what one node has acknowledged the other finds, serves and deletes at once.
func TestNodes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	for i := range 20 {
		from, to := c.nodes[i%2], c.nodes[1-i%2]
		o := slice(0, 0, i).object()
		if rsp := from.cstore(t, o); rsp.status != 0 {
			t.Fatalf("C-STORE: %v", rsp)
		}
		resource, _ := to.find(t, o.SOPInstanceUID)
		o.same(t, "WADO from the other node", to.wado(t, resource))
		// The metadata of the series grows on both, whoever has it in memory.
		for _, s := range c.nodes {
			if got := len(s.search(t, "/studies/"+uidOf(0, 0)+"/series/"+uidOf(0, 0, 1)+"/metadata")); got != i+1 {
				t.Fatalf("series metadata has %d instances, want %d", got, i+1)
			}
		}
	}
	if status, _, _ := a.request(t, http.MethodDelete, "/studies/"+uidOf(0, 0), nil); status/100 != 2 {
		t.Fatalf("DELETE: status %d", status)
	}
	if n := len(b.search(t, "/studies?limit=10")); n != 0 {
		t.Errorf("%d studies on the other node after a deletion", n)
	}
	if status, _, _ := b.get(t, "/studies/"+uidOf(0, 0)+"/series/"+uidOf(0, 0, 1)+"/metadata"); status != http.StatusNotFound {
		t.Errorf("metadata of what was deleted: status %d", status)
	}
	a.stop(t)
	b.stop(t)
	c.fsck(t)
}

// TestSameInstanceTwice: the same object, and other bytes under one UID, reach two nodes at one
// moment. The same is success on both; of what differs one is stored and one refused.
func TestSameInstanceTwice(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	for i := range 20 {
		first := ct(1, 0, i).object()
		second := first
		differ := i%2 == 1
		if differ {
			file := []byte(strings.Replace(string(first.file), "E2E-1", "E2E-X", 1))
			second.file = file
		}
		var answers [2]storeRSP
		var both sync.WaitGroup
		for k, o := range []object{first, second} {
			both.Go(func() { answers[k] = c.nodes[k].cstore(t, o) })
		}
		both.Wait()
		stored := 0
		for _, rsp := range answers {
			if rsp.stored() {
				stored++
			} else if !differ || rsp.status != 0x0111 {
				t.Errorf("instance %d: %v", i, rsp)
			}
		}
		if want := 2; !differ && stored != want {
			t.Errorf("instance %d: %d of two nodes said stored, want both", i, stored)
		}
		if differ && stored != 1 {
			t.Errorf("instance %d: %d of two nodes said stored other bytes, want one", i, stored)
		}
		winner := first
		if differ && answers[1].stored() {
			winner = second
		}
		resource, _ := c.nodes[0].find(t, first.SOPInstanceUID)
		for _, s := range c.nodes {
			winner.same(t, "WADO", s.wado(t, resource))
		}
	}
	for _, s := range c.nodes {
		s.stop(t)
	}
	c.fsck(t)
}

// send stores n instances on four associations to each node in turn, through whatever happens,
// and returns which were acknowledged. Each is tried until the association breaks; then the next
// one is sent on a new association.
func (c *cluster) send(t testing.TB, round, n int, acknowledgedOne func()) []atomic.Bool {
	acknowledged := make([]atomic.Bool, n)
	var group sync.WaitGroup
	for sender := range senders {
		group.Go(func() {
			var w *wire
			defer func() {
				if w != nil {
					w.conn.Close()
				}
			}()
			for i := sender; i < n; i += senders {
				if w == nil {
					var err error
					if w, err = dialWire(c.nodes[sender%len(c.nodes)].dimse, ctStorage, explicitLE, time.Minute); err != nil {
						w = nil
						time.Sleep(5 * time.Millisecond) // the node is down
						continue
					}
				}
				o := mixed(round, i)
				rsp, err := w.store(o.SOPInstanceUID, o.dataset())
				switch {
				case err != nil:
					w.conn.Close()
					w = nil
				case rsp.status == 0:
					acknowledged[i].Store(true)
					acknowledgedOne()
				case rsp.status != 0xA700:
					t.Errorf("round %d: instance %d: %v, want success or out of resources", round, i, rsp)
				}
			}
		})
	}
	group.Wait()
	return acknowledged
}

// verify demands of every node all that was acknowledged, and that what is found is there.
func (c *cluster) verify(t testing.TB, round int, acknowledged []atomic.Bool) {
	t.Helper()
	for _, s := range c.nodes {
		there := map[string]bool{}
		for study := range senders {
			for uid, file := range s.study(t, uidOf(round, study)) {
				mixed(round, numberOf(uid)).same(t, "WADO after the fault", file)
				there[uid] = true
			}
		}
		found := s.uids(t, round)
		n := 0
		for i := range acknowledged {
			if !acknowledged[i].Load() {
				continue
			}
			n++
			if uid := mixedUID(round, i); !there[uid] || !found[uid] {
				t.Errorf("round %d: instance %d was acknowledged; retrieved %v, found %v", round, i, there[uid], found[uid])
			}
		}
		for uid := range found {
			if !there[uid] {
				t.Errorf("round %d: a row without bytes", round)
			}
		}
		t.Logf("round %d: %d of %d acknowledged, %d there", round, n, len(acknowledged), len(there))
	}
}

// TestKillEngines kills a node, PostgreSQL and MinIO in turn in the middle of sends.
func TestKillEngines(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	const n = 200
	faults := []struct {
		name      string
		kill, fix func()
	}{
		{"node", func() { _ = c.nodes[1].cmd.Process.Kill() }, func() { <-c.nodes[1].exited; c.nodes[1].run(t) }},
		{"PostgreSQL", c.database.Kill, c.database.Restart},
		{"MinIO", c.objects.Kill, c.objects.Restart},
	}
	for round := range rounds(t) * len(faults) {
		fault := faults[round%len(faults)]
		at, count := int64(1+rand.IntN(n/2)), atomic.Int64{}
		broken := make(chan struct{})
		var once sync.Once
		acknowledged := c.send(t, round, n, func() {
			if count.Add(1) < at {
				return
			}
			once.Do(func() {
				go func() {
					defer close(broken)
					fault.kill()
					fault.fix()
				}()
			})
		})
		once.Do(func() { close(broken) })
		<-broken
		if t.Failed() {
			return
		}
		t.Logf("round %d: killed %s after %d", round, fault.name, at)
		c.verify(t, round, acknowledged)
		c.nodes[0].clear(t)
	}
	for _, s := range c.nodes {
		s.stop(t)
	}
	c.fsck(t)
}

// TestEngineUnreachable cuts the connections to each engine, and then swallows what is sent to
// it: a store fails in time with A700 and a search with 503, nothing acknowledged is lost, and
// the node recovers by itself.
func TestEngineUnreachable(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.nodes[0]
	round := 0
	for name, p := range map[string]*proxy{"PostgreSQL": c.toDatabase, "MinIO": c.toObjects} {
		var cuts atomic.Int64
		acknowledged := c.send(t, round, 100, func() {
			if cuts.Add(1)%20 == 0 {
				p.cut()
			}
		})
		c.verify(t, round, acknowledged)
		round++

		o := ct(round, 0, 0).object()
		p.swallow()
		began := time.Now()
		rsp := s.cstore(t, o)
		if rsp.status != 0xA700 {
			t.Errorf("%s swallowed: %v, want A700", name, rsp)
		}
		t.Logf("%s swallowed: %v after %v", name, rsp, time.Since(began).Round(time.Second))
		if p == c.toDatabase {
			if response, err := http.Get("http://" + s.http + "/readyz"); err != nil || response.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("ready without a database: %v, %v", response, err)
			}
		}
		p.mend()
		recovered := s.cstore(t, o)
		for tries := 0; recovered.status != 0 && tries < 50; tries++ {
			time.Sleep(100 * time.Millisecond) // a connection of the bad time may still be in a pool
			recovered = s.cstore(t, o)
		}
		if recovered.status != 0 {
			t.Fatalf("%s is back: %v", name, recovered)
		}
		resource, _ := s.find(t, o.SOPInstanceUID)
		o.same(t, "WADO", s.wado(t, resource))
		round++
	}
	s.stop(t)
	c.fsck(t)
}
