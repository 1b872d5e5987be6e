package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

var quiet = slog.New(slog.DiscardHandler)

// serve starts a server on loopback and returns its address.
func serve(t *testing.T, cfg httpd.HandlerConfig, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Log = quiet
	srv := httpd.NewServer(httpd.ServerConfig{Log: quiet}, httpd.NewHandler(cfg, h), ln)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return ln.Addr().String()
}

func do(t *testing.T, method, addr string, header map[string]string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			r.Host = v
		} else {
			r.Header.Set(k, v)
		}
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestGuard(t *testing.T) {
	t.Parallel()
	hello := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }
	closed := serve(t, httpd.HandlerConfig{Guard: httpd.GuardConfig{Hosts: []string{"pacs.local"}}}, hello)
	open := serve(t, httpd.HandlerConfig{Guard: httpd.GuardConfig{Origins: []string{"https://viewer.example"}}}, hello)
	all := serve(t, httpd.HandlerConfig{Guard: httpd.GuardConfig{Origins: []string{"*"}}}, hello)
	preflight := func(origin string) map[string]string {
		return map[string]string{"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range, x-own"}
	}
	for name, tc := range map[string]struct {
		addr, method string
		header       map[string]string
		status       int
		allow        string
	}{
		"own host":               {closed, "GET", nil, 200, ""},
		"localhost":              {closed, "GET", map[string]string{"Host": "localhost:99"}, 200, ""},
		"subdomain of localhost": {closed, "GET", map[string]string{"Host": "a.localhost"}, 200, ""},
		"IPv6":                   {closed, "GET", map[string]string{"Host": "[::1]:8042"}, 200, ""},
		"address":                {closed, "GET", map[string]string{"Host": "192.168.1.2:8042"}, 200, ""},
		"rebinding":              {closed, "GET", map[string]string{"Host": "evil.example"}, 421, ""},
		"rebinding, dot":         {closed, "GET", map[string]string{"Host": "evil.example."}, 421, ""},
		"configured name":        {closed, "GET", map[string]string{"Host": "PACS.local:8042"}, 200, ""},
		"foreign origin reads":   {closed, "GET", map[string]string{"Origin": "https://evil.example"}, 200, ""},
		"foreign origin writes":  {closed, "POST", map[string]string{"Origin": "https://evil.example"}, 403, ""},
		"null origin writes":     {closed, "DELETE", map[string]string{"Origin": "null"}, 403, ""},
		"foreign preflight":      {closed, "OPTIONS", preflight("https://evil.example"), 403, ""},
		"own origin writes":      {closed, "POST", map[string]string{"Origin": "http://" + closed}, 200, ""},
		"viewer reads":           {open, "GET", map[string]string{"Origin": "https://viewer.example"}, 200, "https://viewer.example"},
		"viewer writes":          {open, "POST", map[string]string{"Origin": "https://viewer.example"}, 200, "https://viewer.example"},
		"viewer preflight":       {open, "OPTIONS", preflight("https://viewer.example"), 204, "https://viewer.example"},
		"other viewer":           {open, "GET", map[string]string{"Origin": "https://viewer.example.evil"}, 200, ""},
		"everybody":              {all, "GET", map[string]string{"Origin": "https://x.example"}, 200, "https://x.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp := do(t, tc.method, tc.addr, tc.header)
			if resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tc.status)
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != tc.allow {
				t.Errorf("allows %q, want %q", got, tc.allow)
			}
			if tc.status == 204 && resp.Header.Get("Access-Control-Allow-Headers") != "range, x-own" {
				t.Errorf("headers %v", resp.Header)
			}
			if tc.allow != "" && tc.status == 200 && !strings.Contains(resp.Header.Get("Access-Control-Expose-Headers"), "Content-Range") {
				t.Errorf("exposes %v", resp.Header)
			}
		})
	}
}

// TestSlowBody: a client that sends a byte now and then is cut off, one that is merely slow to
// be read is not.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	addr := serve(t, httpd.HandlerConfig{SlowBody: 200 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		result <- err
	})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x.localhost\r\nContent-Length: 1000000\r\n\r\n")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				conn.Write([]byte{'x'})
			case <-stop:
				return
			}
		}
	}()
	if err := <-result; !os.IsTimeout(err) {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestSlowReaderOfBodyIsNotThePeersFault(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	release := make(chan struct{})
	addr := serve(t, httpd.HandlerConfig{SlowBody: 100 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 1024)
		if _, err := r.Body.Read(buf); err != nil {
			result <- err
			return
		}
		<-release // we are busy for longer than the window
		_, err := io.Copy(io.Discard, r.Body)
		result <- err
	})
	time.AfterFunc(150*time.Millisecond, func() { close(release) }) // longer than the window
	resp, err := http.Post("http://"+addr, "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-result; err != nil {
		t.Errorf("body: %v", err)
	}
}

// TestSlowHeader: half a request line and then nothing ends the connection.
func TestSlowHeader(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := httpd.NewServer(httpd.ServerConfig{HeaderTimeout: 50 * time.Millisecond, Log: quiet}, http.NotFoundHandler(), ln)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "GET / HT")
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPanicAnswers500AndGoesOn(t *testing.T) {
	t.Parallel()
	addr := serve(t, httpd.HandlerConfig{}, func(w http.ResponseWriter, r *http.Request) { panic("boom") })
	for range 2 {
		resp := do(t, "GET", addr, nil)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 500 || strings.Contains(string(body), "boom") {
			t.Errorf("status %d, body %s", resp.StatusCode, body)
		}
	}
}

func TestAbortCutsTheConnection(t *testing.T) {
	t.Parallel()
	addr := serve(t, httpd.HandlerConfig{}, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 100_000))
		panic(http.ErrAbortHandler)
	})
	resp := do(t, "GET", addr, nil)
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the client cannot tell that something is missing")
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	addr := serve(t, httpd.HandlerConfig{}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, httpd.RequestIDOf(w))
	})
	for sent, kept := range map[string]bool{"": false, "abc-123-def": true, "short": false, "with blank!": false} {
		resp := do(t, "GET", addr, map[string]string{"X-Request-Id": sent})
		body, _ := io.ReadAll(resp.Body)
		got := resp.Header.Get("X-Request-Id")
		if got == "" || got != string(body) || (got == sent) != kept {
			t.Errorf("sent %q, got header %q and body %q", sent, got, body)
		}
	}
}

// TestFileGoesThroughReadFrom holds that nothing between handler and net/http hides
// io.ReaderFrom, which is what makes net/http use sendfile.
func TestFileGoesThroughReadFrom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	rec := &readerFrom{ResponseWriter: httptest.NewRecorder()}
	h := httpd.NewHandler(httpd.HandlerConfig{Log: quiet}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		io.Copy(httpd.Raw(w), &io.LimitedReader{R: f, N: 1 << 20})
	}))
	h.ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if rec.files != 1 {
		t.Errorf("%d files reached the connection, want 1", rec.files)
	}
}

type readerFrom struct {
	http.ResponseWriter
	files int
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	if lr, ok := src.(*io.LimitedReader); ok {
		if _, ok := lr.R.(*os.File); ok {
			r.files++
		}
	}
	return io.Copy(io.Discard, src)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	addr := serve(t, httpd.HandlerConfig{Metrics: reg}, func(w http.ResponseWriter, r *http.Request) {
		httpd.SetRoute(w, "/x/:id")
		io.WriteString(w, "12345")
	})
	do(t, "GET", addr, nil)
	do(t, "BREW", addr, nil)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range families {
		for _, m := range f.Metric {
			fmt.Fprintln(&out, f.GetName(), m.Label)
		}
	}
	for _, want := range []string{`value:"GET"`, `value:"/x/:id"`, `value:"2xx"`, `value:"other"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}

// TestKeepAliveAfterUnreadBody: a body nobody read must not hold the connection's next request.
func TestKeepAliveAfterUnreadBody(t *testing.T) {
	t.Parallel()
	addr := serve(t, httpd.HandlerConfig{}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for range 3 {
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
}
