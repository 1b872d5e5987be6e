package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/gateway"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index/indextest"
	"github.com/aurelius-imaging/aurelius/storage/index/sqlite"
	"github.com/aurelius-imaging/aurelius/storage/sqldb"
)

// TestEvents drives /events and /webhooks over a socket, behind all that stands before a door.
func TestEvents(t *testing.T) {
	t.Parallel()
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
	feed := events.NewFeed(events.FeedConfig{Poll: 10 * time.Millisecond}, ix)
	cursors, err := events.NewCursors(t.Context(), events.CursorConfig{}, db, feed)
	if err != nil {
		t.Fatal(err)
	}
	hooks := events.NewWebhooks(events.WebhookConfig{}, cursors)
	for _, run := range []func(context.Context) error{feed.Run, hooks.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	r := gin.New()
	gateway.New(gateway.Config{Webhooks: hooks, Events: events.NewStream(events.StreamConfig{
		Tenant: func(*http.Request) (storage.TenantID, error) { return storage.DefaultTenant, nil }}, feed)}).Register(r)
	server := httptest.NewServer(httpd.NewHandler(httpd.HandlerConfig{}, r))
	t.Cleanup(server.Close)
	ask := func(method, path, body string, code int, v any) {
		t.Helper()
		req, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != code {
			t.Fatalf("%s %s: %d, want %d: %s, %v", method, path, resp.StatusCode, code, text, err)
		}
		if v != nil {
			if err := json.Unmarshal(text, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	type hook struct {
		ID, URL, Secret string
		Types           []string
		Delivery        struct {
			Sequence, Lag int64
			LastSuccess   *time.Time `json:"last_success"`
			Error         string
		}
	}
	for _, bad := range []string{"", "{}", `{"url":"ftp://x"}`, `{"url":"http://127.0.0.1","types":["x"]}`, `{"url":"http://127.0.0.1","more":1}`,
		`{"url":"http://127.0.0.1"} trailing`, `{"url":"http://127.0.0.1"}{}`, `{"url":"http://127.0.0.1"}` + strings.Repeat(" ", 10_000) + "x",
		`{"url":"http://127.0.0.1:99999999"}`, `{"url":"http://moc\u202ekcatta"}`,
		`{"url":"http://127.0.0.1/` + strings.Repeat("x", 10_000) + `"}`} {
		ask(http.MethodPost, "/webhooks", bad, http.StatusBadRequest, nil)
	}
	came := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { came <- r.Header.Get(events.EventIDHeader) }))
	t.Cleanup(receiver.Close)

	var made, got hook
	ask(http.MethodPost, "/webhooks", `{"url":"`+receiver.URL+`","types":["instance-stored"]}`, http.StatusCreated, &made)
	if made.Secret == "" || made.URL != receiver.URL || len(made.Types) != 1 {
		t.Fatalf("made %+v", made)
	}
	var tested struct{ Delivered bool }
	if ask(http.MethodPost, "/webhooks/"+made.ID+"/test", "", http.StatusOK, &tested); !tested.Delivered || <-came != "" {
		t.Error("the test was not delivered")
	}

	resp, err := http.Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := ix.Add(t.Context(), storage.DefaultTenant, indextest.New(1, indextest.Shape{Series: 1, Instances: 1}).Next(), false); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(resp.Body); ; {
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		if lines.Text() == "event: instance-stored" {
			break
		}
	}
	if id := <-came; id != "default/1" {
		t.Errorf("the webhook was told of %s", id)
	}
	for got.Delivery.LastSuccess == nil { // until the cursor has moved
		got = hook{}
		ask(http.MethodGet, "/webhooks/"+made.ID, "", http.StatusOK, &got)
	}
	if got.Secret != "" || got.Delivery.Sequence != 1 || got.Delivery.Lag != 0 || got.Delivery.Error != "" {
		t.Errorf("status %+v", got)
	}
	var list struct{ Webhooks []hook }
	if ask(http.MethodGet, "/webhooks", "", http.StatusOK, &list); len(list.Webhooks) != 1 || list.Webhooks[0].Secret != "" {
		t.Errorf("list %+v", list)
	}
	ask(http.MethodDelete, "/webhooks/"+made.ID, "", http.StatusNoContent, nil)
	ask(http.MethodDelete, "/webhooks/"+made.ID, "", http.StatusNotFound, nil)
	ask(http.MethodGet, "/webhooks/"+made.ID, "", http.StatusNotFound, nil)
	ask(http.MethodPost, "/webhooks/"+made.ID+"/test", "", http.StatusNotFound, nil)
}
