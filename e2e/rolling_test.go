package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// TestRollingRestart restarts two nodes in turn while four senders store through whichever of
// them answers: nothing acknowledged is lost, and no sender hears anything but success, out of
// resources, or that a node is down. Then the same to the next release, and back while that is
// allowed; a release later the old one is refused.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := newArchive(t, 2)
	load := c.load(t, 0)
	for range 2 {
		for _, s := range c.nodes {
			load.goesOn(t)
			s.stop(t)
			load.goesOn(t)
			s.run(t)
		}
	}
	c.verify(t, 0, load.end())
	if testing.Short() {
		return // what follows builds the program twice
	}
	next, later := release(t, "2", "1"), release(t, "3", "2")
	load = c.load(t, 1)
	for _, s := range c.nodes {
		load.goesOn(t)
		s.stop(t)
		s.program = next
		s.run(t)
		load.goesOn(t)
	}
	c.nodes[1].stop(t)
	c.nodes[1].program = "" // this release, beside the next one
	c.nodes[1].run(t)
	load.goesOn(t)
	// The one after the next does not start while this release is alive.
	refused := append([]string{"serve", "--data", t.TempDir(), "--dimse", freePort(t), "--http", freePort(t)}, c.flags...)
	if out, err := runFor(t, time.Minute, later, refused...); err == nil || !strings.Contains(out, "stop that node first") {
		t.Errorf("two releases on: %v\n%s", err, tail(out, 1000))
	}
	c.nodes[1].stop(t)
	c.nodes[1].program = later
	c.nodes[1].run(t)
	load.goesOn(t)
	// And leaves this release behind for good.
	if out, err := runFor(t, time.Minute, built(t), refused...); err == nil || !strings.Contains(out, "release 1") {
		t.Errorf("two releases back: %v\n%s", err, tail(out, 1000))
	}
	c.verify(t, 1, load.end())
	for _, s := range c.nodes {
		s.stop(t)
	}
	c.whole(t)
}

// loaded is senders that do not stop.
type loaded struct {
	acknowledged []atomic.Bool
	n            atomic.Int64
	stop         context.CancelFunc
	ended        sync.WaitGroup
}

const mostLoaded = 20_000

// load starts four senders. An instance that was not acknowledged is sent to the other node.
func (c *cluster) load(t testing.TB, round int) *loaded {
	ctx, stop := context.WithCancel(t.Context())
	l := &loaded{acknowledged: make([]atomic.Bool, mostLoaded), stop: stop}
	for sender := range senders {
		l.ended.Go(func() {
			var w *wire
			defer func() {
				if w != nil {
					w.conn.Close()
				}
			}()
			for i, node := sender, sender; i < mostLoaded && ctx.Err() == nil; {
				if w == nil {
					var err error
					if w, err = dialWire(c.nodes[node%2].dimse, ctStorage, explicitLE, time.Minute); err != nil {
						w = nil
						node++
						time.Sleep(5 * time.Millisecond) // the node is down
						continue
					}
				}
				o := mixed(round, i)
				rsp, err := w.store(o.SOPInstanceUID, o.dataset())
				switch {
				case err == nil && rsp.status == 0:
					l.acknowledged[i].Store(true)
					l.n.Add(1)
					i += senders
					time.Sleep(10 * time.Millisecond) // as scanners do
					continue
				case err == nil && rsp.status != 0xA700:
					t.Errorf("instance %d: %v, want success or out of resources", i, rsp)
				}
				w.conn.Close()
				w = nil
				node++
			}
		})
	}
	t.Cleanup(func() { stop(); l.ended.Wait() })
	return l
}

// goesOn waits until more instances have been acknowledged.
func (l *loaded) goesOn(t testing.TB) {
	t.Helper()
	want := l.n.Load() + 40
	for deadline := time.Now().Add(eventually); l.n.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) || t.Failed() {
			t.Fatal("the senders do not get on")
		}
	}
}

func (l *loaded) end() []atomic.Bool {
	l.stop()
	l.ended.Wait()
	return l.acknowledged
}

// release builds the program as if it were another release.
func release(t testing.TB, number, beside string) (path string) {
	t.Helper()
	source := filepath.Join(testkit.Root(), "platform", "nodes", "nodes.go")
	b, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Release": number, "Beside": beside} {
		constant := regexp.MustCompile(`(?m)^(\t` + name + ` +)= \d+$`)
		if !constant.Match(b) {
			t.Fatalf("nodes.%s is no constant of its own line", name)
		}
		b = constant.ReplaceAll(b, []byte("${1}= "+value))
	}
	dir := t.TempDir()
	overlay, path := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "aurelius")
	other := filepath.Join(dir, "nodes.go")
	list, _ := json.Marshal(map[string]any{"Replace": map[string]string{source: other}})
	for file, content := range map[string][]byte{other: b, overlay: list} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-overlay", overlay, "-ldflags", "-s -w", "-o", path, "./cmd/aurelius")
	build.Dir = testkit.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
