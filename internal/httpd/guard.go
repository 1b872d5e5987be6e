package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// GuardConfig says which web pages may talk to the server through their visitor's browser.
type GuardConfig struct {
	// Hosts are further names the server answers to on a loopback address ("pacs.local"). IP
	// addresses and localhost always do.
	Hosts []string
	// Origins may read and write across origins ("https://viewer.example.org"); "*" allows
	// all. Default: none.
	Origins []string
}

// guard keeps foreign web pages out. A server on loopback has no login, so any page its user
// visits could otherwise read the archive: by CORS, which is off unless configured, or by DNS
// rebinding, which needs a Host that is a name.
type guard struct {
	hosts   []string
	origins []string
	any     bool
	base    *Base
}

func newGuard(cfg GuardConfig, base *Base) *guard {
	g := &guard{base: base}
	for _, h := range cfg.Hosts {
		g.hosts = append(g.hosts, strings.ToLower(h))
	}
	for _, o := range cfg.Origins {
		if o == "*" {
			g.any = true
		}
		g.origins = append(g.origins, strings.ToLower(strings.TrimRight(o, "/")))
	}
	return g
}

// exposed are the answer's headers a viewer's scripts need: ranges for progressive loading,
// ETag for their caches.
const exposed = "Accept-Ranges, Aurelius-Rendering, Aurelius-Rendering-Json, Content-Range, Content-Location, ETag, Location, Warning, X-Request-Id, X-Total-Count"

// admit answers what must not reach a handler, and preflights; false: answered.
func (g *guard) admit(w http.ResponseWriter, r *http.Request) bool {
	if !g.knownHost(r) {
		Problem(w, http.StatusMisdirectedRequest,
			"this server does not answer to that host name; add it to the configured host names")
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if g.sameOrigin(origin, r) {
		return true
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	if !g.any && !slices.Contains(g.origins, strings.ToLower(origin)) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return true // without CORS headers the browser keeps the answer from the page
		}
		Problem(w, http.StatusForbidden, "the origin is not allowed; add it to the configured origins")
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if !g.any {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h.Set("Access-Control-Expose-Headers", exposed)
		return true
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Get("Access-Control-Request-Headers")))
	h.Set("Access-Control-Max-Age", "7200") // the most Chromium keeps it
	w.WriteHeader(http.StatusNoContent)
	return false
}

// allowedHeaders grants the headers asked for: they carry no authority of their own here.
func allowedHeaders(asked string) string {
	for i := range len(asked) {
		switch c := asked[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == ',', c == ' ':
		default:
			asked = ""
		}
		if asked == "" {
			break
		}
	}
	if asked == "" {
		return "Accept, Authorization, Content-Type, If-None-Match, Range"
	}
	return asked
}

// knownHost refuses names that are not ours on a loopback address.
func (g *guard) knownHost(r *http.Request) bool {
	host := hostOnly(r.Host)
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true // no name, no rebinding
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return true // not the server without a login
	}
	return slices.Contains(g.hosts, host) || g.base.isPublic(host)
}

func (b *Base) isPublic(host string) bool {
	u, err := url.Parse(b.public)
	return err == nil && u.Host != "" && strings.EqualFold(u.Hostname(), host)
}

func hostOnly(hostport string) string {
	host := strings.ToLower(hostport)
	if strings.HasPrefix(host, "[") {
		host, _, _ = strings.Cut(host[1:], "]")
		return host
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}

// sameOrigin compares the origin with the address the client used.
func (g *guard) sameOrigin(origin string, r *http.Request) bool {
	_, authority, ok := strings.Cut(origin, "://")
	if !ok {
		return false
	}
	if strings.EqualFold(authority, r.Host) {
		return true
	}
	base, err := url.Parse(g.base.URL(r))
	return err == nil && strings.EqualFold(authority, base.Host)
}
