package httpd_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg    httpd.BaseConfig
		remote string
		header map[string]string
		want   string
	}{
		"plain":              {want: "http://pacs:8042"},
		"public URL":         {cfg: httpd.BaseConfig{PublicURL: "https://x.org/imaging/"}, header: map[string]string{"X-Forwarded-Host": "evil"}, want: "https://x.org/imaging"},
		"X-Forwarded":        {header: map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pacs.example.org"}, want: "https://pacs.example.org"},
		"with port":          {header: map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pacs.example.org", "X-Forwarded-Port": "8443"}, want: "https://pacs.example.org:8443"},
		"usual port":         {header: map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pacs.example.org", "X-Forwarded-Port": "443"}, want: "https://pacs.example.org"},
		"prefix":             {header: map[string]string{"X-Forwarded-Prefix": "/imaging/"}, want: "http://pacs:8042/imaging"},
		"chain":              {header: map[string]string{"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "a.example, b.internal"}, want: "https://a.example"},
		"Forwarded":          {header: map[string]string{"Forwarded": `for=192.0.2.60;proto=https;host="pacs.example.org:444", for=10.0.0.1;host=x`}, want: "https://pacs.example.org:444"},
		"Forwarded wins":     {header: map[string]string{"Forwarded": `host=b`, "X-Forwarded-Host": "a"}, want: "http://b"},
		"from outside":       {remote: "203.0.113.5:1", header: map[string]string{"X-Forwarded-Host": "evil"}, want: "http://pacs:8042"},
		"trusted outside":    {cfg: httpd.BaseConfig{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}, remote: "203.0.113.5:1", header: map[string]string{"X-Forwarded-Host": "a"}, want: "http://a"},
		"nobody is trusted":  {cfg: httpd.BaseConfig{TrustedProxies: []netip.Prefix{}}, header: map[string]string{"X-Forwarded-Host": "a"}, want: "http://pacs:8042"},
		"host with quotes":   {header: map[string]string{"X-Forwarded-Host": `a"><script>`}, want: "http://pacs:8042"},
		"prefix with quotes": {header: map[string]string{"X-Forwarded-Prefix": `/"x`}, want: "http://pacs:8042"},
		"prefix with host":   {header: map[string]string{"X-Forwarded-Prefix": `//evil`}, want: "http://pacs:8042"},
		"other scheme":       {header: map[string]string{"X-Forwarded-Proto": "javascript"}, want: "http://pacs:8042"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "http://pacs:8042/x", nil)
			r.RemoteAddr = "127.0.0.1:5000"
			if tc.remote != "" {
				r.RemoteAddr = tc.remote
			}
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			if got := httpd.NewBase(tc.cfg).URL(r); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestBaseURLWithoutPort: dicomweb-client sends Host without the port.
func TestBaseURLWithoutPort(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"127.0.0.1": "http://127.0.0.1:8042", "localhost": "http://localhost:8042", "127.0.0.1:99": "http://127.0.0.1:99",
		"pacs.example.org": "http://pacs.example.org", "192.0.2.1": "http://192.0.2.1",
	} {
		r := httptest.NewRequest("GET", "http://x/", nil)
		r.Host = host
		local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8042}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		if got := httpd.NewBase(httpd.BaseConfig{}).URL(r); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		header, ifRange string
		off, n          int64
		want            httpd.RangeResult
	}{
		{"", "", 0, 100, httpd.WholeBody},
		{"bytes=0-9", "", 0, 10, httpd.PartialBody},
		{"bytes=90-", "", 90, 10, httpd.PartialBody},
		{"bytes=90-1000", "", 90, 10, httpd.PartialBody},
		{"bytes=-10", "", 90, 10, httpd.PartialBody},
		{"bytes=-1000", "", 0, 100, httpd.PartialBody},
		{"bytes=100-", "", 0, 0, httpd.UnsatisfiedBy},
		{"bytes=-0", "", 0, 0, httpd.UnsatisfiedBy},
		{"bytes=9-0", "", 0, 100, httpd.WholeBody},
		{"bytes=0-1,5-6", "", 0, 100, httpd.WholeBody},
		{"bytes=x-1", "", 0, 100, httpd.WholeBody},
		{"bytes=99999999999999999999-", "", 0, 100, httpd.WholeBody},
		{"items=0-1", "", 0, 100, httpd.WholeBody},
		{"bytes=0-9", `"tag"`, 0, 10, httpd.PartialBody},
		{"bytes=0-9", `"other"`, 0, 100, httpd.WholeBody},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Range", tc.header)
		r.Header.Set("If-Range", tc.ifRange)
		off, n, how := httpd.Range(r, 100, `"tag"`)
		if off != tc.off || n != tc.n || how != tc.want {
			t.Errorf("%q: %d+%d %v, want %d+%d %v", tc.header, off, n, how, tc.off, tc.n, tc.want)
		}
	}
}

func TestNotModified(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		`"a"`: true, `W/"a"`: true, `"x", "a"`: true, `*`: true, `"b"`: false, ``: false, `a`: false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if header != "" {
			r.Header.Set("If-None-Match", header)
		}
		if got := httpd.NotModified(r, `"a"`); got != want {
			t.Errorf("%s: %v", header, got)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"gzip": true, "gzip, deflate, br": true, "br;q=1.0, gzip;q=0.8": true, "*": true,
		"gzip;q=0": false, "identity": false, "": false, "gzip; q=0.0": false, "deflate": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", header)
		if got := httpd.AcceptsGzip(r); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
