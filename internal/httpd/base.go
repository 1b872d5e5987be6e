package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// BaseConfig says how absolute URLs are made.
type BaseConfig struct {
	// PublicURL, when set ("https://pacs.example.org/imaging"), is the beginning of every URL.
	PublicURL string
	// TrustedProxies may tell scheme, host and prefix by Forwarded or X-Forwarded-*. Nil:
	// loopback and private networks. Empty, not nil: nobody.
	TrustedProxies []netip.Prefix
}

// Base makes absolute URLs as the client sees them. Safe for concurrent use.
type Base struct {
	public  string
	trusted []netip.Prefix
	private bool
}

// NewBase returns a Base.
func NewBase(cfg BaseConfig) *Base {
	return &Base{
		public:  strings.TrimRight(cfg.PublicURL, "/"),
		trusted: cfg.TrustedProxies,
		private: cfg.TrustedProxies == nil,
	}
}

// URL returns scheme, authority and prefix of the request as the client sees them, without a
// final slash: "https://pacs.example.org/imaging".
func (b *Base) URL(r *http.Request) string {
	if b.public != "" {
		return b.public
	}
	scheme, host, prefix := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if forwarding(r.Header) && b.Trusts(r.RemoteAddr) {
		scheme, host, prefix = forwarded(r.Header, scheme, host)
	} else if !hasPort(host) {
		host = withLocalPort(r, host)
	}
	if !validHost(host) {
		host = localAddr(r)
	}
	return scheme + "://" + host + prefix
}

// Trusts reports whether the peer may speak for the client.
func (b *Base) Trusts(remoteAddr string) bool {
	ap, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return false
	}
	addr := ap.Addr().Unmap()
	if b.private {
		return addr.IsLoopback() || addr.IsPrivate()
	}
	for _, p := range b.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func localAddr(r *http.Request) string {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return "localhost"
}

// withLocalPort completes a Host that names this machine's own address without the port:
// dicomweb-client (Python) leaves it out, and would then be sent to port 80.
func withLocalPort(r *http.Request, host string) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || local.Port == 80 || local.Port == 443 {
		return host
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	if ip != nil && ip.Equal(local.IP) || host == "localhost" && local.IP.IsLoopback() {
		return host + ":" + strconv.Itoa(local.Port)
	}
	return host
}

func forwarding(h http.Header) bool {
	return h["Forwarded"] != nil || h["X-Forwarded-Proto"] != nil || h["X-Forwarded-Host"] != nil ||
		h["X-Forwarded-Prefix"] != nil || h["X-Forwarded-Port"] != nil
}

// forwarded reads what the proxy nearest to the client said (RFC 7239 4: the first element;
// X-Forwarded-* of the common proxies where Forwarded is silent).
func forwarded(h http.Header, scheme, host string) (_, _, prefix string) {
	first := func(name string) string {
		v, _, _ := strings.Cut(h.Get(name), ",")
		return strings.TrimSpace(v)
	}
	if v := strings.ToLower(first("X-Forwarded-Proto")); v == "http" || v == "https" {
		scheme = v
	}
	if v := first("X-Forwarded-Host"); validHost(v) {
		host = v
	}
	if v := first("X-Forwarded-Port"); digits(v) && !strings.HasSuffix(host, ":"+v) {
		if (scheme != "http" || v != "80") && (scheme != "https" || v != "443") && !hasPort(host) {
			host += ":" + v
		}
	}
	if v := strings.TrimRight(first("X-Forwarded-Prefix"), "/"); validPrefix(v) {
		prefix = v
	}
	element, _ := cutUnquoted(h.Get("Forwarded"), ',')
	for element != "" {
		var pair string
		pair, element = cutUnquoted(element, ';')
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		value = unquote(value)
		switch strings.ToLower(name) {
		case "proto":
			if v := strings.ToLower(value); v == "http" || v == "https" {
				scheme = v
			}
		case "host":
			if validHost(value) {
				host = value
			}
		}
	}
	return scheme, host, prefix
}

func hasPort(host string) bool {
	i := strings.LastIndexByte(host, ':')
	return i >= 0 && digits(host[i+1:]) && !strings.HasSuffix(host, "]")
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 5
}

// validHost accepts what may stand in a URL without quoting: what comes in a header must not
// shape the JSON or HTML it ends up in.
func validHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 260
}

func validPrefix(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '.', c == '-', c == '_', c == '~', c == '/', c == '%':
		default:
			return false
		}
	}
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && len(s) <= 512
}
