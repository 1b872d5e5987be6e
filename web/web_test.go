package web_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/web"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	os.Exit(m.Run())
}

type server struct {
	*testing.T
	url  string
	arch *archive.Archive
}

func newServer(t *testing.T) *server {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	arch := archivetest.New(t)
	s, err := web.New(web.Config{Version: "1.2.3", DIMSE: "127.0.0.1:4242", Log: quiet}, arch)
	if err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	s.Register(engine)
	srv := httptest.NewServer(httpd.NewHandler(httpd.HandlerConfig{Log: quiet}, engine))
	t.Cleanup(srv.Close)
	return &server{t, srv.URL, arch}
}

// store puts slice 1 of testdata/first in, with another patient's name of the same length.
func (s *server) store(name string) {
	s.Helper()
	b, err := os.ReadFile(testkit.Testdata("first", "1.dcm"))
	if err != nil {
		s.Fatal(err)
	}
	const was = "First^Patient "
	if len(name) != len(was) {
		s.Fatalf("name of %d characters, want %d", len(name), len(was))
	}
	b = bytes.Replace(b, []byte(was), []byte(name), 1)
	if _, err := s.arch.Store(context.Background(), storage.DefaultTenant, archive.Incoming{Data: bytes.NewReader(b)}); err != nil {
		s.Fatal(err)
	}
}

func (s *server) get(path string, header ...string) (*http.Response, string) {
	s.Helper()
	r, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp, string(body)
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestRootByAccept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for accept, want := range map[string]string{
		browser: "text/html; charset=utf-8", "*/*": "application/json", "application/json": "application/json", "": "application/json",
		"application/json, text/html": "application/json",
	} {
		if resp, _ := s.get("/", "Accept", accept); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != want {
			t.Errorf("%q: %d, %s, want %s", accept, resp.StatusCode, resp.Header.Get("Content-Type"), want)
		}
	}
	_, info := s.get("/")
	for _, want := range []string{`"name":"Aurelius"`, `"version":"1.2.3"`, `"dicomweb":"` + s.url + `/dicom-web"`, `"port":4242`} {
		if !strings.Contains(info, want) {
			t.Errorf("no %s in %s", want, info)
		}
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	resp, empty := s.get("/", "Accept", browser)
	for _, want := range []string{"Send the first study", "dcmsend 127.0.0.1 4242", s.url + "/dicom-web/studies"} {
		if !strings.Contains(empty, want) {
			t.Errorf("the empty page does not say %q", want)
		}
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if strings.Contains(empty, "<script>") || strings.Contains(empty, "style=") || strings.Contains(empty, "onclick") {
		t.Error("the page has code or style that its policy forbids")
	}
	s.store("<script>x()   ")
	_, page := s.get("/", "Accept", browser)
	if strings.Contains(page, "<script>x") || !strings.Contains(page, "&lt;script&gt;x()") || !strings.Contains(page, "First study") {
		t.Error("the patient's name is missing or not escaped")
	}
}

func TestRecent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if _, got := s.get("/web/recent"); got != "[]" {
		t.Errorf("empty: %s", got)
	}
	s.store("Doe^Jane^M^Dr ")
	resp, got := s.get("/web/recent")
	for _, want := range []string{`"patient":"Dr Jane M`, `"patient_id":"FIRST-1"`, `"date":"2026-01-05 09:30"`, `"modalities":"CT"`, `"instances":1`} {
		if !strings.Contains(got, strings.Replace(want, "Dr Jane M", "Doe, Dr Jane M", 1)) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	again, _ := s.get("/web/recent", "If-None-Match", resp.Header.Get("ETag"))
	if again.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", again.StatusCode)
	}
}

func TestRecentNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Doe^Jane^M^Dr ": "Doe, Dr Jane M",
		"Doe^J M^^^PhD ": "Doe, J M, PhD",
		"A^B=C^D=E^F^G ": "A, B / C, D",
		"=Yamada^Tarou ": "Yamada, Tarou",
		"^ Jane ^^^    ": "Jane",
	} {
		s := newServer(t)
		s.store(name)
		if _, got := s.get("/web/recent"); !strings.Contains(got, `"patient":"`+want+`"`) {
			t.Errorf("%q: no %q in %s", name, want, got)
		}
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, page := s.get("/", "Accept", browser)
	for name, want := range map[string]string{"page.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"} {
		if !strings.Contains(page, "web/static/"+name) {
			t.Errorf("the page does not use %s", name)
		}
		if resp, _ := s.get("/web/static/" + name); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), want) {
			t.Errorf("%s: %d, %s", name, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
	if resp, _ := s.get("/web/static/..%2fpage.html"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("outside: %d", resp.StatusCode)
	}
}
