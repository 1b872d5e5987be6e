package kafka_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/platform/events/kafka"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

const tenant = storage.DefaultTenant

// patience is how long a test waits for what must come: it ends a failing test only.
const patience = time.Minute

// world is an index, its feed and a consumer that publishes it.
type world struct {
	t       testing.TB
	index   *sqlite.Index
	gen     *indextest.Generator
	cursors *events.Cursors
}

func newWorld(t testing.TB) *world {
	dir := t.TempDir()
	ix, err := sqlite.Open(filepath.Join(dir, "index"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	db, err := sqldb.OpenSQL(filepath.Join(dir, "sql"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	feed := events.NewFeed(events.FeedConfig{Poll: 20 * time.Millisecond}, ix)
	cursors, err := events.NewCursors(context.Background(), events.CursorConfig{
		Lease: 300 * time.Millisecond, Retry: 10 * time.Millisecond, MaxRetry: 200 * time.Millisecond,
		Timeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
	}, db, feed)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Run(t, feed.Run)
	return &world{t: t, index: ix, cursors: cursors, gen: indextest.New(3, indextest.Shape{Series: 1, Instances: 5})}
}

func (w *world) store(n int) {
	w.t.Helper()
	for range n {
		if _, err := w.index.Add(context.Background(), tenant, w.gen.Next(), false); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.index.CompleteStudies(context.Background(), time.Now().Add(time.Second), 1000); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) changes() []index.Change {
	w.t.Helper()
	cs, err := w.index.Changes(context.Background(), tenant, 0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return cs
}

// publish runs the consumer.
func (w *world) publish(cfg kafka.Config) (stop func()) {
	w.t.Helper()
	p, err := kafka.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
	return testkit.Run(w.t, func(ctx context.Context) error {
		return w.cursors.Run(ctx, events.Consumer{Name: "kafka/default", Tenant: tenant, Batch: 20, Deliver: p.Deliver})
	})
}

// record is what a consumer of the topic sees.
type record struct {
	partition int32
	key, id   string
	value     struct {
		Version          int
		ID               string
		Tenant           string
		Sequence         int64
		Time             time.Time
		Type             string
		StudyInstanceUID string `json:"study_instance_uid"`
		SOPInstanceUID   string `json:"sop_instance_uid"`
	}
}

// consume reads the topic from its beginning until n different ids were seen, dropping those
// that come again as consumers are told to.
func consume(t testing.TB, broker, topic string, n int) []record {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := make(map[string]bool)
	var out []record
	for len(out) < n {
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			got := record{partition: r.Partition, key: string(r.Key)}
			for _, h := range r.Headers {
				if h.Key == kafka.HeaderID {
					got.id = string(h.Value)
				}
			}
			if err := json.Unmarshal(r.Value, &got.value); err != nil {
				t.Error(err)
			}
			if !seen[got.id] {
				out = append(out, got)
			}
			seen[got.id] = true
		})
		if ctx.Err() != nil {
			t.Fatalf("%d events after %v, want %d", len(out), patience, n)
		}
	}
	return out
}

// check holds what was consumed against the feed: everything, per study in order, in one
// partition.
func check(t testing.TB, got []record, want []index.Change) {
	t.Helper()
	ofStudy := make(map[string][]record)
	for _, r := range got {
		v := r.value
		if v.ID != r.id || v.Version != 1 || r.key != "default/"+v.StudyInstanceUID || v.Tenant != "default" || v.Time.IsZero() {
			t.Fatalf("record %+v", r)
		}
		ofStudy[v.StudyInstanceUID] = append(ofStudy[v.StudyInstanceUID], r)
	}
	n := 0
	for _, c := range want {
		rs := ofStudy[c.StudyInstanceUID]
		if len(rs) == 0 || rs[0].value.Sequence != c.Sequence || rs[0].value.SOPInstanceUID != c.SOPInstanceUID {
			t.Fatalf("study %s: next is %+v, want change %d", c.StudyInstanceUID, rs, c.Sequence)
		}
		if len(rs) > 1 && rs[1].partition != rs[0].partition {
			t.Fatalf("study %s lies in two partitions", c.StudyInstanceUID)
		}
		ofStudy[c.StudyInstanceUID] = rs[1:]
		n++
	}
	if n != len(got) {
		t.Errorf("%d events, want %d", len(got), n)
	}
}

func topic(t testing.TB, broker string) string {
	name := "aurelius.test." + strings.ToLower(rand.Text()[:10])
	t.Cleanup(func() {
		c, err := kgo.NewClient(kgo.SeedBrokers(broker))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TopicNames = []string{name}
		req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &name}}
		req.TimeoutMillis = 10_000
		if _, err := req.RequestWith(ctx, c); err != nil {
			t.Logf("deleting the topic: %v", err)
		}
	})
	return name
}

// TestPublishes: everything arrives, each study in its order; who was away catches up.
func TestPublishes(t *testing.T) {
	t.Parallel()
	broker := testkit.Part(t, "kafka")
	cfg := kafka.Config{Brokers: []string{broker}, Topic: topic(t, broker), Partitions: 4}
	w := newWorld(t)
	w.store(50)
	stop := w.publish(cfg)
	w.store(50)
	check(t, consume(t, broker, cfg.Topic, 120), w.changes())
	stop()
	w.store(100) // while nobody publishes
	w.publish(cfg)
	got := consume(t, broker, cfg.Topic, 240)
	check(t, got, w.changes())
	if parts := slices.CompactFunc(slices.SortedFunc(slices.Values(got), func(a, b record) int { return int(a.partition - b.partition) }),
		func(a, b record) bool { return a.partition == b.partition }); len(parts) < 2 {
		t.Error("all studies lie in one partition")
	}
}

// TestBrokerDown loses the broker by kill -9 and has everything in the end.
func TestBrokerDown(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a broker twice")
	}
	part := testkit.NewPart(t, "kafka")
	cfg := kafka.Config{Brokers: []string{part.URL}, Topic: "aurelius.test.down", Partitions: 2,
		Dial: time.Second, Request: 2 * time.Second, Delivery: 3 * time.Second}
	w := newWorld(t)
	w.publish(cfg)
	w.store(30)
	check(t, consume(t, part.URL, cfg.Topic, 36), w.changes())
	part.Kill()
	w.store(30)
	failing(t, w.cursors)
	part.Restart()
	check(t, consume(t, part.URL, cfg.Topic, 72), w.changes())
}

// TestNoBroker: a broker that is not there is said, not waited for.
func TestNoBroker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(1)
	w.publish(kafka.Config{Brokers: []string{"127.0.0.1:1"}, Delivery: time.Second})
	failing(t, w.cursors)
}

// failing waits until the status says so.
func failing(t testing.TB, c *events.Cursors) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // polled as an operator would
		s, err := c.Status(context.Background(), "kafka/default")
		if err != nil && !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
		if s.Error != "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a broker that is down is not noticed: %+v", s)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := kafka.New(kafka.Config{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("without brokers: %v", err)
	}
}
