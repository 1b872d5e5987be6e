package dimse_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/pdu"
)

// TestNothingLeft ends associations in every manner and looks for goroutines and gauges that
// stay. It is not parallel: other tests wait until it is over.
func TestNothingLeft(t *testing.T) {
	registry := prometheus.NewRegistry()
	ts := newServer(t, func(c *dimse.Config) { c.Metrics = registry; c.Timeouts.Associate = time.Second })
	for _, end := range []func(*parrot){
		func(p *parrot) { p.send(&pdu.ReleaseRQ{}).hear() },
		func(p *parrot) { p.send(&pdu.Abort{}) },
		func(p *parrot) {},
		func(p *parrot) { p.raw("garbage").aborted(pdu.ServiceProvider, pdu.UnrecognizedPDU) },
	} {
		p := associated(t, ts.addr)
		p.send(echo(1)).status(1, dimse.StatusSuccess)
		end(p)
		_ = p.conn.Close()
		p = associated(t, ts.addr).send(find(2)...)
		p.status(2, dimse.StatusPending)
		end(p)
		_ = p.conn.Close()
		<-ts.found
	}
	a := dial(t, ts.addr)
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for left := goroutines(); len(left) > 0; left = goroutines() {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines stay:\n%s", strings.Join(left, "\n\n"))
		}
		runtime.Gosched()
	}
	if n := metric(t, registry, "aurelius_dimse_associations_open", nil); n != 0 {
		t.Errorf("%v associations open", n)
	}
	if n := metric(t, registry, "aurelius_dimse_associations_total", map[string]string{"outcome": "accepted"}); n != 9 {
		t.Errorf("%v associations accepted", n)
	}
	if n := metric(t, registry, "aurelius_dimse_messages_total", map[string]string{"command": "C-ECHO", "status": "success"}); n != 4 {
		t.Errorf("%v echoes", n)
	}
	if in, out := metric(t, registry, "aurelius_dimse_bytes_total", map[string]string{"direction": "in"}),
		metric(t, registry, "aurelius_dimse_bytes_total", map[string]string{"direction": "out"}); in < 1000 || out < 1000 {
		t.Errorf("%v bytes in, %v out", in, out)
	}
}

// goroutines returns the stacks of goroutines that run code of the package.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	var left []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "aurelius/dimse.") {
			left = append(left, g)
		}
	}
	return left
}

func metric(t testing.TB, r prometheus.Gatherer, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if has(m, labels) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func has(m *dto.Metric, labels map[string]string) bool {
	n := 0
	for _, l := range m.GetLabel() {
		if labels[l.GetName()] == l.GetValue() {
			n++
		}
	}
	return n == len(labels)
}
