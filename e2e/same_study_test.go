package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestSameStudyFromMany: thirty-two senders store one study through two nodes, then half of it
// is deleted from both sides: the rows of patient, study and series count every one.
func TestSameStudyFromMany(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2)
	const most, each, series = 32, 12, 4
	instance := func(sender, i int) made {
		m := ct(1, 1, sender*100+i)
		m.series = 1 + i%series
		return m
	}
	var group sync.WaitGroup
	for sender := range most {
		group.Go(func() {
			w, err := dialWire(c.nodes[sender%2].dimse, ctStorage, explicitLE, 2*time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			defer w.conn.Close()
			for i := range each {
				o := instance(sender, i).object()
				if rsp, err := w.store(o.SOPInstanceUID, o.dataset()); err != nil || rsp.status != 0 {
					t.Errorf("sender %d: %v %v", sender, rsp, err)
					return
				}
			}
		})
	}
	group.Wait()
	c.counts(t, series, most*each)
	for sender := range most {
		group.Go(func() {
			for i := range each / 2 {
				m := instance(sender, i)
				c.remove(t, c.nodes[(sender+1)%2], "/studies/"+m.studyUID()+"/series/"+uidOf(1, 1, m.series)+"/instances/"+m.uid())
			}
		})
	}
	group.Wait()
	c.counts(t, series, most*each/2)
	for _, s := range c.nodes {
		s.stop(t)
	}
	c.whole(t)
}

// counts demands of every node that patient, study and series say what there is.
func (c *cluster) counts(t testing.TB, series, instances int) {
	t.Helper()
	for _, s := range c.nodes {
		if found := s.uids(t, 1); len(found) != instances {
			t.Errorf("%d instances are found, want %d", len(found), instances)
		}
		studies := s.search(t, "/studies?PatientID=E2E-1&includefield=00201206&includefield=00201208")
		if len(studies) != 1 || studies[0].text("00201206") != fmt.Sprint(series) || studies[0].text("00201208") != fmt.Sprint(instances) {
			t.Errorf("study: %v, want %d series and %d instances", studies, series, instances)
		}
		sum := 0
		for _, m := range s.search(t, "/studies/"+uidOf(1, 1)+"/series?includefield=00201209") {
			n := 0
			_, _ = fmt.Sscan(m.text("00201209"), &n)
			sum += n
		}
		if sum != instances {
			t.Errorf("the series have %d instances, want %d", sum, instances)
		}
	}
}
