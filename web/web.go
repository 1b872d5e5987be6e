// Package web is the door for people: the first page at "/", which shows the studies that came
// in last and how to send the first one. Everything it needs is embedded in the binary; it asks
// nothing of other hosts. Programs that get "/" are told in JSON what is served where.
//
// Left out: viewing images, which is a viewer's job (DICOMweb).
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/internal/httpd"
	"github.com/aurelius-imaging/aurelius/storage"
)

//go:embed static page.html
var files embed.FS

// Config configures the page. The zero value is usable.
type Config struct {
	Tenant  storage.TenantID // default storage.DefaultTenant
	Base    *httpd.Base      // how absolute URLs begin; default httpd.NewBase of the zero BaseConfig
	Version string           // of the server
	AET     string           // our AE title; default AURELIUS
	// DIMSE is the address DICOM listens on ("127.0.0.1:4242"); empty: not told.
	DIMSE   string
	Studies int          // how many are shown; default 15
	Log     *slog.Logger // default slog.Default()
}

// Service answers for the page. Safe for concurrent use.
type Service struct {
	cfg    Config
	arch   *archive.Archive
	page   *template.Template
	assets map[string]asset
}

type asset struct {
	contentType, etag string
	body              []byte
}

// New returns the page over arch.
func New(cfg Config, arch *archive.Archive) (*Service, error) {
	if cfg.Tenant == "" {
		cfg.Tenant = storage.DefaultTenant
	}
	if cfg.Base == nil {
		cfg.Base = httpd.NewBase(httpd.BaseConfig{})
	}
	if cfg.AET == "" {
		cfg.AET = "AURELIUS"
	}
	if cfg.Studies <= 0 {
		cfg.Studies = 15
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Service{cfg: cfg, arch: arch, assets: map[string]asset{}}
	var err error
	if s.page, err = template.ParseFS(files, "page.html"); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	entries, err := files.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for _, e := range entries {
		body, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		s.assets[e.Name()] = asset{mime.TypeByExtension(path.Ext(e.Name())), tagOf(body), body}
	}
	return s, nil
}

// Register mounts the routes.
func (s *Service) Register(r gin.IRouter) {
	for pattern, handle := range map[string]gin.HandlerFunc{
		"/": s.root, "/web/recent": s.recent, "/web/static/:name": s.static,
		"/favicon.ico": func(c *gin.Context) { s.send(c, s.assets["icon.svg"]) },
	} {
		h := func(c *gin.Context) {
			httpd.SetRoute(c.Writer, pattern)
			handle(c)
		}
		r.GET(pattern, h)
		r.HEAD(pattern, h)
	}
}

// csp allows our own files and nothing else: a patient's name can never become a script.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// root answers "/": a page for browsers, JSON for everything else.
func (s *Service) root(c *gin.Context) {
	c.Header("Vary", "Accept")
	for _, m := range httpd.Accept(c.Request) {
		switch m.Type {
		case "text/html", "application/xhtml+xml":
			s.html(c)
			return
		case "application/json", "*/*", "application/*":
			s.info(c)
			return
		}
	}
	s.info(c)
}

// html sends the page with the studies already in it: it works before, and without, its script.
func (s *Service) html(c *gin.Context) {
	studies, err := s.studies(c)
	if err != nil {
		s.cfg.Log.Error("first page failed", "request", httpd.RequestIDOf(c.Writer), "err", err)
		httpd.Problem(c.Writer, http.StatusInternalServerError, "")
		return
	}
	var out bytes.Buffer
	if err := s.page.Execute(&out, s.view(c, studies)); err != nil {
		s.cfg.Log.Error("first page failed", "request", httpd.RequestIDOf(c.Writer), "err", err)
		httpd.Problem(c.Writer, http.StatusInternalServerError, "")
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", csp)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-store") // it names patients
	s.body(c, "text/html; charset=utf-8", out.Bytes())
}

// view is what the template shows.
type view struct {
	AET, Version string
	Host, Port   string // of DICOM, as the visitor can reach it
	Web          string // base URL of HTTP
	Studies      []study
}

func (s *Service) view(c *gin.Context, studies []study) view {
	v := view{AET: s.cfg.AET, Version: s.cfg.Version, Web: s.cfg.Base.URL(c.Request), Studies: studies}
	v.Host, v.Port = s.dicom(c.Request)
	return v
}

// dicom returns host and port for a DICOM sender on the visitor's machine: the host is the one
// that works for HTTP when DICOM listens everywhere.
func (s *Service) dicom(r *http.Request) (host, port string) {
	host, port, err := net.SplitHostPort(s.cfg.DIMSE)
	if err != nil {
		return "", ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = r.Host
		if h, _, err := net.SplitHostPort(r.Host); err == nil {
			host = h
		}
	}
	return host, port
}

// info says what is served where.
func (s *Service) info(c *gin.Context) {
	base := s.cfg.Base.URL(c.Request)
	out := map[string]any{
		"name": "Aurelius", "version": s.cfg.Version,
		"dicomweb": base + "/dicom-web", "health": base + "/health", "metrics": base + "/metrics",
	}
	if host, port := s.dicom(c.Request); port != "" {
		n, _ := strconv.Atoi(port)
		out["dimse"] = map[string]any{"host": host, "port": n, "aet": s.cfg.AET}
	}
	body, _ := json.Marshal(out) // strings and a number always marshal
	s.body(c, "application/json", append(body, '\n'))
}

// recent answers the page's polling: the studies as JSON, 304 while nothing has come in.
func (s *Service) recent(c *gin.Context) {
	studies, err := s.studies(c)
	if err != nil {
		s.cfg.Log.Error("recent studies failed", "request", httpd.RequestIDOf(c.Writer), "err", err)
		httpd.Problem(c.Writer, http.StatusInternalServerError, "")
		return
	}
	body, _ := json.Marshal(studies) // strings and numbers always marshal
	c.Header("Cache-Control", "private, no-cache")
	s.send(c, asset{"application/json", tagOf(body), body})
}

// static answers with the page's own files.
func (s *Service) static(c *gin.Context) {
	a, ok := s.assets[c.Param("name")]
	if !ok {
		httpd.Problem(c.Writer, http.StatusNotFound, "")
		return
	}
	c.Header("Cache-Control", "no-cache")
	s.send(c, a)
}

func (s *Service) send(c *gin.Context, a asset) {
	c.Header("ETag", a.etag)
	if httpd.NotModified(c.Request, a.etag) {
		c.Writer.WriteHeader(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	s.body(c, a.contentType, a.body)
}

func (s *Service) body(c *gin.Context, contentType string, body []byte) {
	c.Header("Content-Type", contentType)
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Writer.WriteHeader(http.StatusOK)
	c.Writer.WriteHeaderNow()
	if c.Request.Method != http.MethodHead {
		// The client may be gone; there is nobody to tell then.
		_, _ = c.Writer.Write(body)
	}
}

func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// joinNonEmpty joins what is there.
func joinNonEmpty(sep string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, sep)
}
