package events_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/platform/events"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// hooks runs webhooks over the world.
func (w *world) hooks(path string, cfg events.WebhookConfig) *events.Webhooks {
	w.t.Helper()
	node, _ := w.node(openSQL(w.t, path), "a", time.Minute)
	cfg.Refresh, cfg.Log = 10*time.Millisecond, slog.New(slog.DiscardHandler)
	hooks := events.NewWebhooks(cfg, node)
	testkit.Run(w.t, hooks.Run)
	return hooks
}

// receiver is a server that checks what it is sent and answers as answer says.
type receiver struct {
	*httptest.Server
	*log
	secret atomic.Value
	calls  atomic.Int32
}

func newReceiver(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, call int32)) *receiver {
	rc := &receiver{log: newLog()}
	rc.secret.Store("")
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if secret := rc.secret.Load().(string); !signed(secret, r.Header.Get("Aurelius-Signature"), body) {
			t.Errorf("signature %q does not fit", r.Header.Get("Aurelius-Signature"))
		}
		rec := &statusRecorder{ResponseWriter: w, status: 200}
		answer(rec, r, rc.calls.Add(1))
		if rec.status/100 != 2 {
			return
		}
		var in struct {
			Version int
			Events  []struct {
				ID       string
				Tenant   string
				Sequence int64
			}
		}
		if err := json.Unmarshal(body, &in); err != nil || in.Version != 1 {
			t.Errorf("body %s: %v", body, err)
		}
		var batch []events.Event
		for _, e := range in.Events {
			batch = append(batch, events.Event{Tenant: storage.TenantID(e.Tenant), Sequence: e.Sequence})
		}
		if n := len(in.Events); n > 0 && r.Header.Get("Aurelius-Event-Id") != in.Events[n-1].ID {
			t.Errorf("event id %q", r.Header.Get("Aurelius-Event-Id"))
		}
		rc.add(batch)
	}))
	t.Cleanup(rc.Close)
	return rc
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// signed verifies a signature as docs/API_CONTRACTS.md tells receivers to.
func signed(secret, header string, body []byte) bool {
	var t, v1 string
	if _, err := fmt.Sscanf(strings.ReplaceAll(header, ",", " "), "t=%s v1=%s", &t, &v1); err != nil {
		return false
	}
	sent, err := strconv.ParseInt(t, 10, 64)
	if err != nil || time.Since(time.Unix(sent, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", t, body)
	return hex.EncodeToString(mac.Sum(nil)) == v1
}

func (rc *receiver) register(t testing.TB, hooks *events.Webhooks, ts ...events.Type) events.Webhook {
	t.Helper()
	hook, secret, err := hooks.Create(context.Background(), tenant, rc.URL+"/in?token=x", ts)
	if err != nil {
		t.Fatal(err)
	}
	rc.secret.Store(secret)
	return hook
}

// TestWebhookRecovers: a receiver that fails in every way there is gets everything in order.
func TestWebhookRecovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(11) // before it was registered
	hooks := w.hooks(filepath.Join(t.TempDir(), "sql"), events.WebhookConfig{Timeout: 300 * time.Millisecond})
	elsewhere := newReceiver(t, func(http.ResponseWriter, *http.Request, int32) { t.Error("a redirect was followed") })
	rc := newReceiver(t, func(w http.ResponseWriter, r *http.Request, call int32) {
		switch call {
		case 1, 2, 3, 4, 5:
			w.WriteHeader(http.StatusInternalServerError)
		case 6:
			<-r.Context().Done() // hangs
			w.WriteHeader(http.StatusGatewayTimeout)
		case 7:
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	})
	hook := rc.register(t, hooks)
	w.store(300)
	w.complete()
	want := w.ids(11)
	same(t, "by first appearance", unique(rc.until(t, len(want))), want) // a busy machine may be too slow twice
	if _, s, err := hooks.Get(context.Background(), tenant, hook.ID); err != nil || s.Owner == "" {
		t.Errorf("status %+v, %v", s, err)
	}
}

func TestWebhookTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hooks := w.hooks(filepath.Join(t.TempDir(), "sql"), events.WebhookConfig{})
	rc := newReceiver(t, func(http.ResponseWriter, *http.Request, int32) {})
	rc.register(t, hooks, events.StudyComplete)
	w.store(20)
	w.complete()
	same(t, "received", rc.until(t, 5), w.ids(0, index.StudyCompleted))
}

// TestWebhookGone: 410 disables, and is seen.
func TestWebhookGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "sql")
	hooks := w.hooks(path, events.WebhookConfig{})
	gone := make(chan struct{})
	rc := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, call int32) {
		w.WriteHeader(http.StatusGone)
		if call == 1 {
			close(gone)
		}
	})
	hook := rc.register(t, hooks)
	w.store(1)
	<-gone
	for deadline := time.Now().Add(patience); ; {
		list, err := hooks.List(context.Background(), tenant)
		if err != nil || len(list) != 1 || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", list, err)
		}
		if list[0].Disabled != "" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.store(1)
	w.hooks(path, events.WebhookConfig{}) // another node does not take it up either
	other := newReceiver(t, func(http.ResponseWriter, *http.Request, int32) {})
	other.register(t, hooks)
	w.store(1)
	other.until(t, 1)
	if n := rc.calls.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if err := hooks.Delete(context.Background(), tenant, hook.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := hooks.Get(context.Background(), tenant, hook.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("after it was deleted: %v", err)
	}
}

func TestWebhookTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hooks := w.hooks(filepath.Join(t.TempDir(), "sql"), events.WebhookConfig{})
	rc := newReceiver(t, func(http.ResponseWriter, *http.Request, int32) {})
	hook := rc.register(t, hooks)
	ctx := context.Background()
	if list, err := hooks.List(ctx, "other"); err != nil || len(list) != 0 {
		t.Errorf("list of another tenant: %v, %v", list, err)
	}
	if _, _, err := hooks.Get(ctx, "other", hook.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("get: %v", err)
	}
	if _, err := hooks.Test(ctx, "other", hook.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("test: %v", err)
	}
	if err := hooks.Delete(ctx, "other", hook.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("delete: %v", err)
	}
}

// TestWebhookAddresses: what must not be asked is not, whatever its name.
func TestWebhookAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hooks := w.hooks(filepath.Join(t.TempDir(), "sql"), events.WebhookConfig{})
	ctx := context.Background()
	for _, url := range []string{"", "file:///etc/passwd", "ftp://host/", "gopher://host", "http://", "https://user:pw@host/",
		"//host/path", "http://[::1", "http://host/" + strings.Repeat("x", 2048), "http://host:0/", "http://host:99999999/",
		"http://ho\nst/", "http://ho%C2%85st/", "http://moc\u202ekcatta/", "http://host%FF/", "http://[fe80::1%25%0a]/"} {
		if _, _, err := hooks.Create(ctx, tenant, url, nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%.40q: %v", url, err)
		}
	}
	for _, url := range []string{"http://169.254.169.254/latest/meta-data", "http://[fe80::1%25lo]/", "http://0.0.0.0:1/",
		"http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://224.0.0.1/",
		"http://[64:ff9b::169.254.169.254]/", "http://[2002:a9fe:a9fe::1]/"} {
		hook, _, err := hooks.Create(ctx, tenant, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if refused, err := hooks.Test(ctx, tenant, hook.ID); err != nil || !errs.Is(refused, errs.Forbidden) {
			t.Errorf("%s: %v, %v", url, refused, err)
		}
	}
	rc := newReceiver(t, func(http.ResponseWriter, *http.Request, int32) {})
	hook := rc.register(t, hooks)
	if refused, err := hooks.Test(ctx, tenant, hook.ID); err != nil || refused != nil {
		t.Errorf("loopback: %v, %v", refused, err)
	}
	public := w.hooks(filepath.Join(t.TempDir(), "public"), events.WebhookConfig{PublicOnly: true})
	hook = rc.register(t, public)
	for _, url := range []string{strings.Replace(rc.URL, "127.0.0.1", "localhost", 1), "http://10.0.0.1", "http://100.64.0.1", "http://[fd00::1]",
		"http://[64:ff9b::10.0.0.1]", "http://[2002:7f00:1::]"} {
		hook, _, err := public.Create(ctx, tenant, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if refused, err := public.Test(ctx, tenant, hook.ID); err != nil || !errs.Is(refused, errs.Forbidden) {
			t.Errorf("%s: %v, %v", url, refused, err)
		}
	}
	if refused, err := public.Test(ctx, tenant, hook.ID); err != nil || !errs.Is(refused, errs.Forbidden) {
		t.Errorf("loopback where only public ones are allowed: %v, %v", refused, err)
	}
}

func TestWebhookLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	feed, _ := w.feed()
	node, err := events.NewCursors(context.Background(), events.CursorConfig{}, openSQL(t, filepath.Join(t.TempDir(), "sql")), feed)
	if err != nil {
		t.Fatal(err)
	}
	hooks := events.NewWebhooks(events.WebhookConfig{}, node)
	for i := range 51 {
		_, _, err := hooks.Create(context.Background(), tenant, "http://127.0.0.1:1", nil)
		if (i == 50) != errs.Is(err, errs.Conflict) {
			t.Fatalf("webhook %d: %v", i, err)
		}
	}
}

// TestCompleter announces what is quiet, with two of them on one index.
func TestCompleter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.store(12)
	feed, _ := w.feed()
	for range 2 {
		testkit.Run(t, events.Completer{Index: w.index, Quiet: time.Second, Notify: feed.Notify,
			Now: func() time.Time { return time.Now().Add(time.Hour) }}.Run)
	}
	s := subscribe(t, listen(t, feed, events.StreamConfig{}).URL+"?after=0&types=study-complete", "")
	same(t, "announced", s.take(3), w.ids(12))
}
