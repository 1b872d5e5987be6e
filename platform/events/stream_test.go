package events_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// listen serves the stream behind the handler every door stands behind.
func listen(t testing.TB, feed *events.Feed, cfg events.StreamConfig) *httptest.Server {
	cfg.Tenant = func(*http.Request) (storage.TenantID, error) { return tenant, nil }
	s := httptest.NewServer(httpd.NewHandler(httpd.HandlerConfig{}, events.NewStream(cfg, feed)))
	t.Cleanup(s.Close)
	return s
}

// subscriber reads a stream as a browser does.
type subscriber struct {
	t      testing.TB
	body   io.ReadCloser
	lines  *bufio.Scanner
	lastID string
	beats  int
}

func subscribe(t testing.TB, url, lastID string) *subscriber {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("answered %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	return &subscriber{t: t, body: resp.Body, lines: bufio.NewScanner(resp.Body), lastID: lastID}
}

// block reads up to an empty line; ok is false at the end of the stream.
func (s *subscriber) block() (typ, data string, ok bool) {
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			s.lastID = value
		case "event":
			typ = value
		case "data":
			data = value
		case "":
			if s.lines.Text() == "" {
				return typ, data, true
			}
			s.beats++ // a comment
		}
	}
	return "", "", false
}

// take reads n events and returns their ids.
func (s *subscriber) take(n int) (ids []string) {
	s.t.Helper()
	for len(ids) < n {
		typ, data, ok := s.block()
		if !ok {
			s.t.Fatalf("the stream ended after %d events, want %d: %v", len(ids), n, s.lines.Err())
		}
		if data == "" {
			continue
		}
		var e struct {
			Version            int
			ID, Type           string
			Study_instance_uid string
			Time               time.Time
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			s.t.Fatal(err)
		}
		if e.ID != s.lastID || e.Type != typ || e.Version != 1 || e.Study_instance_uid == "" || e.Time.IsZero() {
			s.t.Fatalf("event %s of %s: %s", typ, s.lastID, data)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

// TestStreamResumes cuts the line again and again while instances arrive: with Last-Event-ID
// nothing is lost or doubled.
func TestStreamResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(5)
	feed, _ := w.feed()
	server := listen(t, feed, events.StreamConfig{})
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		for range 20 {
			w.store(4)
			w.complete()
		}
	})
	var got []string
	lastID := ""
	for _, n := range []int{1, 7, 30, 3, 59} {
		s := subscribe(t, server.URL+"/events?after=3", lastID)
		got = append(got, s.take(n)...)
		lastID = s.lastID
		s.body.Close()
	}
	same(t, "streamed", got, w.ids(3)[:100])
}

func TestStreamFromNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(37)
	feed, _ := w.feed()
	s := subscribe(t, listen(t, feed, events.StreamConfig{}).URL, "")
	if _, _, ok := s.block(); !ok || s.lastID != "default/37" { // before the first event
		t.Errorf("begins behind %s", s.lastID)
	}
	w.store(3)
	same(t, "streamed", s.take(3), w.ids(37))
}

func TestStreamTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(9)
	w.complete()
	feed, _ := w.feed()
	server := listen(t, feed, events.StreamConfig{Heartbeat: 20 * time.Millisecond})
	s := subscribe(t, server.URL+"/events?after=0&types=study-complete,instance-deleted", "")
	same(t, "streamed", s.take(3), w.ids(0, index.StudyCompleted))
	w.store(3) // passed over; the heartbeat tells how far it is
	for s.lastID != "default/15" {
		if _, data, ok := s.block(); !ok || data != "" {
			t.Fatalf("ended, or got %s", data)
		}
	}
	if s.beats == 0 {
		t.Error("no heartbeat")
	}
}

func TestStreamRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(2)
	feed, _ := w.feed()
	server := listen(t, feed, events.StreamConfig{Clients: 1})
	for query, want := range map[string]int{
		"types=patient-added": 400, "after=x": 400, "after=-1": 400, "after=other/1": 400, "after=3": 400,
		"after=9999999999999999999": 400,
	} {
		resp, err := http.Get(server.URL + "/events?" + query)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: answered %d, want %d", query, resp.StatusCode, want)
		}
	}
	subscribe(t, server.URL, "")
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one client too many: answered %d", resp.StatusCode)
	}
}

// TestStreamDrains: the end of Run ends the streams, so that a server can stop.
func TestStreamDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	feed, stop := w.feed()
	s := subscribe(t, listen(t, feed, events.StreamConfig{}).URL, "")
	w.store(1)
	s.take(1)
	stop()
	for {
		if _, _, ok := s.block(); !ok {
			break
		}
	}
	if err := s.lines.Err(); err != nil {
		t.Errorf("not ended but broken off: %v", err)
	}
}

// TestSlowClient never reads: it is cut, and comes back where it was.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(800)
	feed, _ := w.feed()
	ended := make(chan struct{})
	stream := events.NewStream(events.StreamConfig{WriteTimeout: 50 * time.Millisecond,
		Tenant: func(*http.Request) (storage.TenantID, error) { return tenant, nil }}, feed)
	server := httptest.NewUnstartedServer(httpd.NewHandler(httpd.HandlerConfig{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		stream.ServeHTTP(w, r)
	})))
	server.Listener = smallBuffers{server.Listener}
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("a client that does not read is kept")
	}
}

// smallBuffers lets a test fill what the kernel would hold for the client.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// TestWaitIsOneLoop: a hundred who wait cost the index no more than one.
func TestWaitIsOneLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(1)
	counted := &counting{inner: w.index}
	feed := events.NewFeed(events.FeedConfig{Poll: 50 * time.Millisecond, Gather: time.Millisecond}, counted)
	testkit.Run(t, feed.Run)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	done := make(chan error, 100)
	for range 100 {
		go func() { done <- feed.Wait(ctx, tenant, 1) }()
	}
	for range 100 {
		if err := <-done; ctx.Err() == nil {
			t.Fatalf("woken without a change: %v", err)
		}
	}
	if n := counted.asked.Load(); n > 110 { // 6 polls, and at most one look for each who came
		t.Errorf("asked %d times", n)
	}
}
