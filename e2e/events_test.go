package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// eventually is how long a test waits for what must come: it ends a failing test only.
const eventually = 90 * time.Second

// event is the JSON form of a change (docs/API_CONTRACTS.md).
type event struct {
	Version  int    `json:"version"`
	ID       string `json:"id"`
	Sequence int64  `json:"sequence"`
	Type     string `json:"type"`
	Study    string `json:"study_instance_uid"`
	Instance string `json:"sop_instance_uid"`
}

// events is what a consumer got. It is safe for concurrent use.
type events struct {
	mu   sync.Mutex
	all  []event
	seen map[string]bool
	more chan struct{} // closed when something came
}

func newEvents() *events { return &events{seen: map[string]bool{}, more: make(chan struct{})} }

// add keeps an event, and says whether it is new.
func (e *events) add(ev event) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen[ev.ID] {
		return false
	}
	e.seen[ev.ID] = true
	e.all = append(e.all, ev)
	close(e.more)
	e.more = make(chan struct{})
	return true
}

// wait returns what came when it is enough.
func (e *events) wait(t testing.TB, what string, enough func([]event) bool) []event {
	t.Helper()
	timeout := time.After(eventually)
	for {
		e.mu.Lock()
		all, more := e.all, e.more
		e.mu.Unlock()
		if enough(all) {
			return all
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("%s: did not come, %d events did", what, len(all))
		}
	}
}

// count counts events of a type, of a study unless that is "".
func count(all []event, kind, study string) (n int) {
	for _, e := range all {
		if e.Type == kind && (study == "" || e.Study == study) {
			n++
		}
	}
	return n
}

// listen reads GET /events from the nodes in turn, coming back by Last-Event-ID as a browser
// does; cut ends the line there is.
func listen(t testing.TB, nodes ...*server) (got *events, cut func()) {
	t.Helper()
	got = newEvents()
	ctx, stop := context.WithCancel(context.Background())
	var mu sync.Mutex
	line := func() {}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		last := "0"
		for i := 0; ctx.Err() == nil; i++ {
			one, end := context.WithCancel(ctx)
			mu.Lock()
			line = end
			mu.Unlock()
			last = follow(one, t, nodes[i%len(nodes)], last, got)
			end()
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
	return got, func() { mu.Lock(); defer mu.Unlock(); line() }
}

// follow reads until the line ends, and returns the last id.
func follow(ctx context.Context, t testing.TB, s *server, last string, got *events) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.http+"/events", nil)
	if err != nil {
		t.Error(err)
		return last
	}
	request.Header.Set("Last-Event-ID", last)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		time.Sleep(5 * time.Millisecond) // the node is down
		return last
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/events: status %d", response.StatusCode)
		return last
	}
	id := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ":")
		switch value = strings.TrimPrefix(value, " "); field {
		case "id":
			id = value
		case "data":
			var e event
			if err := json.Unmarshal([]byte(value), &e); err != nil || e.ID != id || e.Version != 1 {
				t.Errorf("event %q: %v: %s", id, err, value)
			}
			if !got.add(e) {
				t.Errorf("%s came twice over the stream", e.ID)
			}
			last = id
		case "": // and so ends an event
			if id != "" {
				last = id
			}
		}
	}
	return last
}

// hookReceiver registers a receiver at the node, which checks every signature.
func hookReceiver(t testing.TB, s *server) (got *events, id string) {
	t.Helper()
	got = newEvents()
	var secret string
	known := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-known
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the node was killed while it sent
		}
		at, signature, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Aurelius-Signature"), "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%s.%s", at, body)
		var batch struct{ Events []event }
		if hex.EncodeToString(mac.Sum(nil)) != signature {
			t.Errorf("wrong signature %q", r.Header.Get("Aurelius-Signature"))
		} else if err := json.Unmarshal(body, &batch); err != nil {
			t.Error(err)
		}
		for _, e := range batch.Events {
			got.add(e)
		}
	}))
	t.Cleanup(receiver.Close)
	status, body := s.api(t, http.MethodPost, "/webhooks", `{"url":"`+receiver.URL+`"}`)
	var hook struct{ ID, Secret string }
	if err := json.Unmarshal(body, &hook); status != http.StatusCreated || err != nil || hook.Secret == "" {
		t.Fatalf("POST /webhooks: status %d: %s", status, body)
	}
	secret = hook.Secret
	close(known)
	return got, hook.ID
}

// api asks something of the server's own REST.
func (s *server) api(t testing.TB, method, path, body string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequest(method, "http://"+s.http+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, b
}

// delivers returns the node that delivers to the webhook.
func (c *cluster) delivers(t testing.TB, hook string) *server {
	t.Helper()
	_, body := c.nodes[0].api(t, http.MethodGet, "/webhooks/"+hook, "")
	var answer struct{ Delivery struct{ Node string } }
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	node, _, _ := strings.Cut(answer.Delivery.Node, "/")
	for _, s := range c.nodes {
		if node != "" && strings.Contains(s.log.String(), node) {
			return s
		}
	}
	t.Fatalf("no node delivers: %s", body)
	return nil
}

// TestEvents: what is stored on any node everybody hears of, in order and without a gap: a
// listener whose line is cut and whose node dies, a webhook whose node dies, and Kafka.
func TestEvents(t *testing.T) {
	t.Parallel()
	flags := []string{"--study-quiet", "1s"}
	broker, topic := "", "e2e."+strings.ToLower(rand.Text()[:12])
	if !testing.Short() {
		broker = testkit.Part(t, "kafka")
		t.Cleanup(func() { deleteTopic(t, broker, topic) })
		flags = append(flags, "--kafka", broker, "--kafka-topic", topic)
	}
	c := newArchive(t, 2, flags...)
	a, b := c.nodes[0], c.nodes[1]
	hooked, hook := hookReceiver(t, a)
	heard, cut := listen(t, b, a)

	const studies, each = 3, 20
	stored := c.storeStudies(t, a, 0, studies, each, func(n int) {
		if n%15 == 7 {
			cut()
		}
	})
	heard.wait(t, "studies complete", func(all []event) bool {
		return count(all, "instance-stored", "") == stored && count(all, "study-complete", "") >= studies
	})
	hooked.wait(t, "webhook", func(all []event) bool { return count(all, "study-complete", "") >= studies })

	// The node that delivers dies; the other one goes on with both.
	dies := c.delivers(t, hook)
	stays := a
	if dies == a {
		stays = b
	}
	dies.kill(t)
	stored += c.storeStudies(t, stays, studies, studies, each, func(int) {})
	heard.wait(t, "studies complete after a death", func(all []event) bool {
		return count(all, "instance-stored", "") == stored && count(all, "study-complete", "") >= 2*studies
	})
	dies.run(t)
	c.remove(t, dies, "/studies/"+uidOf(0, 0)+"/series/"+uidOf(0, 0, 1)+"/instances/"+ct(0, 0, 0).uid())
	heard.wait(t, "a deletion", func(all []event) bool { return count(all, "instance-deleted", uidOf(0, 0)) == 1 })
	// One more study, complete later than whatever might be announced twice.
	stored += c.storeStudies(t, dies, 2*studies, 1, 1, func(int) {})
	all := heard.wait(t, "the last study", func(all []event) bool {
		is := complete(all)
		return len(is) == 2*studies+1 && !slices.Contains(slices.Collect(maps.Values(is)), false)
	})
	inOrder(t, "the stream", all)
	completeOnce(t, all)
	last := all[len(all)-1].ID
	for how, got := range map[string]*events{"the webhook": hooked, "Kafka": c.kafka(t, broker, topic, len(all))} {
		if got == nil {
			continue
		}
		more := got.wait(t, how, func(all []event) bool { return got.has(last) })
		if how == "the webhook" {
			inOrder(t, how, more)
		}
		inOrderByStudy(t, how, more)
		if len(more) != len(all) || count(more, "instance-stored", "") != stored {
			t.Errorf("%s got %d events, of %d instances; there were %d of %d", how, len(more), count(more, "instance-stored", ""), len(all), stored)
		}
	}
	for _, s := range c.nodes { // listeners do not hold a node up
		s.stop(t)
	}
}

func (e *events) has(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[id]
}

// storeStudies sends studies at the same time, calls each after every instance, and returns how
// many there were.
func (c *cluster) storeStudies(t testing.TB, s *server, first, studies, each int, stored func(n int)) int {
	t.Helper()
	var group sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for study := first; study < first+studies; study++ {
		group.Go(func() {
			for i := range each {
				o := ct(0, study, i).object()
				if rsp := s.cstore(t, o); rsp.status != 0 {
					t.Errorf("C-STORE: %v", rsp)
				}
				mu.Lock()
				n++
				stored(n)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return n
}

func inOrder(t testing.TB, how string, all []event) {
	t.Helper()
	for i := 1; i < len(all); i++ {
		if all[i].Sequence != all[i-1].Sequence+1 {
			t.Errorf("%s: %d comes after %d", how, all[i].Sequence, all[i-1].Sequence)
		}
	}
}

func inOrderByStudy(t testing.TB, how string, all []event) {
	t.Helper()
	last := map[string]int64{}
	for _, e := range all {
		if e.Sequence <= last[e.Study] {
			t.Errorf("%s: %d of a study comes after %d", how, e.Sequence, last[e.Study])
		}
		last[e.Study] = e.Sequence
	}
}

// complete says of each study whether its last event is that it is complete.
func complete(all []event) map[string]bool {
	is := map[string]bool{}
	for _, e := range all {
		is[e.Study] = e.Type == "study-complete"
	}
	return is
}

// completeOnce: a study is complete once, unless something came later, as it may on a slow machine.
func completeOnce(t testing.TB, all []event) {
	t.Helper()
	for i, e := range all {
		if e.Type == "study-complete" && complete(all[:i])[e.Study] {
			t.Errorf("%s: a study is complete for the second time, and nothing came", e.ID)
		}
	}
}

// kafka reads the topic from its beginning; nil without a broker.
func (c *cluster) kafka(t testing.TB, broker, topic string, n int) *events {
	t.Helper()
	if broker == "" {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), eventually)
	defer cancel()
	got := newEvents()
	for len(got.all) < n && ctx.Err() == nil {
		for _, r := range client.PollFetches(ctx).Records() {
			var e event
			if err := json.Unmarshal(r.Value, &e); err != nil || !bytes.HasSuffix(r.Key, []byte("/"+e.Study)) {
				t.Errorf("record with key %s: %v: %s", r.Key, err, r.Value)
			}
			got.add(e)
		}
	}
	return got
}

func deleteTopic(t testing.TB, broker, topic string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames = []string{topic}
	request.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &topic}}
	request.TimeoutMillis = 10_000
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := request.RequestWith(ctx, client); err != nil {
		t.Logf("deleting the topic: %v", err)
	}
}
