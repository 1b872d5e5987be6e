package e2e

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// cluster is nodes over a PostgreSQL and a MinIO that belong to the test. Nodes reach the engines
// through proxies, which can cut and swallow.
type cluster struct {
	database, objects     *testkit.OwnPart
	toDatabase, toObjects *proxy
	flags                 []string
	nodes                 []*server
}

// newCluster starts the engines, durable, and n nodes.
func newCluster(t testing.TB, n int, args ...string) *cluster {
	t.Helper()
	c := &cluster{
		database: testkit.NewPart(t, "postgres", "PG_DURABLE=1"),
		objects:  testkit.NewPart(t, "minio"),
	}
	var database, objects string
	c.toDatabase, database = newProxy(t, c.database.URL)
	c.toObjects, objects = newProxy(t, c.objects.URL)
	c.flags = append([]string{"--database", database, "--s3-endpoint", objects,
		"--s3-access-key", "minioadmin", "--s3-secret-key", "minioadmin"}, args...)
	for range n {
		c.nodes = append(c.nodes, start(t, c.flags...))
	}
	return c
}

// fsck checks the archive as a whole while nobody stores.
func (c *cluster) fsck(t testing.TB) {
	t.Helper()
	args := append([]string{"fsck", "--data", t.TempDir(), "--verify"}, c.flags[:8]...)
	out, err := runFor(t, 2*time.Minute, built(t), args...)
	if err != nil {
		t.Errorf("fsck: %v\n%s", err, tail(out, 2000))
	}
}

// proxy passes TCP on, until it is told otherwise.
type proxy struct {
	to string

	mu    sync.Mutex
	hole  bool // swallows everything, as a firewall does that has lost its state
	conns map[net.Conn]bool
	heal  chan struct{}
}

// newProxy returns a proxy to the host of the URL, and the URL with the proxy's address.
func newProxy(t testing.TB, target string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{to: u.Host, conns: map[net.Conn]bool{}, heal: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				p.cut()
				return
			}
			go p.serve(c)
		}
	}()
	return p, strings.Replace(target, u.Host, l.Addr().String(), 1)
}

func (p *proxy) serve(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer to.Close()
	p.mu.Lock()
	p.conns[from], p.conns[to] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pump(to, from) })
	both.Go(func() { p.pump(from, to) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, from)
	delete(p.conns, to)
	p.mu.Unlock()
}

func (p *proxy) pump(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.wait()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				from.Close()
			}
			return
		}
	}
}

// wait holds everything back while there is a hole.
func (p *proxy) wait() {
	p.mu.Lock()
	hole, heal := p.hole, p.heal
	p.mu.Unlock()
	if hole {
		<-heal
	}
}

// cut ends all connections that there are; new ones are passed on.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// swallow holds everything back until mend: nothing arrives and nothing is refused.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = true
}

// mend ends the hole. What was held back in connections of that time is cut, as it is when a
// firewall comes back.
func (p *proxy) mend() {
	p.mu.Lock()
	p.hole = false
	close(p.heal)
	p.heal = make(chan struct{})
	p.mu.Unlock()
	p.cut()
}
