package e2e

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/aurelius-imaging/aurelius/storage/blob/s3/s3test"
)

// misbehaving starts a node whose object store can be told to do what overloaded ones do.
func misbehaving(t *testing.T) (*cluster, *server, *s3test.Proxy) {
	t.Helper()
	c := newCluster(t, 0)
	p := s3test.NewProxy(t, c.objects.URL)
	c.flags[3] = p.URL
	c.nodes = []*server{start(t, c.flags...)}
	return c, c.nodes[0], p
}

// TestObjectStoreMisbehaves: 503, 500, answers and requests cut, lost or with a bit changed. A
// store succeeds all the same or says A700; what a reader gets to its end is what was sent.
func TestObjectStoreMisbehaves(t *testing.T) {
	t.Parallel()
	c, s, p := misbehaving(t)
	var kept []object
	for i, fault := range []s3test.Fault{s3test.SlowDown, s3test.InternalError, s3test.Lost, s3test.CutRequest, s3test.FlipRequest, s3test.Full, s3test.Denied} {
		for _, times := range []int{1, 1000} { // once, and for longer than it is tried again
			if times > 1 && fault != s3test.SlowDown {
				continue // one stands for all that are tried again
			}
			o := ct(90, i, times).object()
			before := p.Struck()
			p.Inject(fault, "", times)
			rsp := s.cstore(t, o)
			if p.Struck() == before {
				t.Errorf("fault %d: nothing was struck", fault)
			}
			p.Heal()
			switch rsp.status {
			case 0:
			case 0xA700:
				if rsp = s.cstore(t, o); rsp.status != 0 {
					t.Errorf("fault %d is over: %v", fault, rsp)
				}
			default:
				t.Errorf("fault %d: %v, want success or A700", fault, rsp)
			}
			kept = append(kept, o)
		}
	}
	resource, _ := s.find(t, kept[0].SOPInstanceUID)
	want := s.wado(t, resource)
	for _, fault := range []s3test.Fault{s3test.SlowDown, s3test.InternalError, s3test.CutResponse, s3test.ShortResponse, s3test.FlipResponse} {
		p.Inject(fault, "GET", 1)
		if body, whole := s.tryGet(t, resource, "application/dicom; transfer-syntax=*"); whole && !bytes.Equal(body, want) {
			t.Errorf("fault %d of a read: other bytes, and no sign of it", fault)
		}
		p.Heal()
	}
	for _, o := range kept {
		resource, _ := s.find(t, o.SOPInstanceUID)
		o.same(t, "WADO", s.wado(t, resource))
	}
	s.stop(t)
	c.fsck(t)
}

// TestEngineHangs: one request that hangs for 30 s holds up the store it belongs to and nobody
// else's, whichever engine it is.
func TestEngineHangs(t *testing.T) {
	t.Parallel()
	c, s, p := misbehaving(t)
	hung, others := ct(91, 0, 0).object(), []object{ct(92, 0, 1).object(), ct(92, 0, 2).object(), ct(92, 0, 3).object()}
	if rsp := s.cstore(t, ct(91, 1, 0).object()); rsp.status != 0 {
		t.Fatal(rsp)
	}
	p.Inject(s3test.Hang, "PUT", 1)
	answer := make(chan storeRSP, 1)
	go func() { answer <- s.cstore(t, hung) }()
	for p.Struck() == 0 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	for _, o := range others {
		if rsp := s.cstore(t, o); rsp.status != 0 {
			t.Errorf("beside a PUT that hangs: %v", rsp)
		}
	}
	if spent := time.Since(began); spent > 20*time.Second {
		t.Errorf("three stores beside a PUT that hangs took %v", spent)
	}
	release := time.AfterFunc(30*time.Second, p.Heal)
	defer release.Stop()
	if rsp := <-answer; rsp.status != 0 && rsp.status != 0xA700 {
		t.Errorf("the PUT hung: %v, want success or A700", rsp)
	}

	// The table of studies is locked for 30 s: searches go on, a store waits or says A700.
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.database.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "LOCK TABLE studies IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	go func() { answer <- s.cstore(t, ct(93, 0, 0).object()) }()
	free := time.AfterFunc(30*time.Second, func() { _ = tx.Rollback(ctx) })
	defer free.Stop()
	s.find(t, others[0].SOPInstanceUID)
	if rsp := <-answer; rsp.status != 0 && rsp.status != 0xA700 {
		t.Errorf("the table was locked: %v, want success or A700", rsp)
	}
	s.stop(t)
	c.fsck(t)
}

// TestDatabaseReadOnly: a database that takes no writes (a standby, a failover under way) gives
// A700 and is read from; when it takes them again, the node does too.
func TestDatabaseReadOnly(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	s := c.nodes[0]
	first, second := ct(94, 0, 0).object(), ct(94, 0, 1).object()
	if rsp := s.cstore(t, first); rsp.status != 0 {
		t.Fatal(rsp)
	}
	setReadOnly := func(to string) {
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, c.database.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		for _, sql := range []string{"ALTER SYSTEM SET default_transaction_read_only = " + to, "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatal(sql, err)
			}
		}
	}
	setReadOnly("on")
	var rsp storeRSP
	for tries := 0; tries < 100; tries++ { // the setting is read when the server gets to it
		if rsp = s.cstore(t, second); rsp.status != 0 {
			break
		}
		second = ct(94, 1, tries).object()
		time.Sleep(50 * time.Millisecond)
	}
	if rsp.status != 0xA700 {
		t.Errorf("a database that takes no writes: %v, want A700", rsp)
	}
	resource, _ := s.find(t, first.SOPInstanceUID)
	first.same(t, "WADO", s.wado(t, resource))
	setReadOnly("off")
	for tries := 0; tries < 100; tries++ {
		if rsp = s.cstore(t, second); rsp.status == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if rsp.status != 0 {
		t.Fatalf("it takes writes again: %v", rsp)
	}
	if response, err := http.Get("http://" + s.http + "/readyz"); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("ready: %v, %v", response, err)
	}
	s.stop(t)
	c.fsck(t)
}
