package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

func render(ms []httpd.MediaType) string {
	var out []string
	for _, m := range ms {
		s := m.Type
		for _, p := range m.Params {
			s += ";" + p.Name + "=" + p.Value
		}
		out = append(out, s)
	}
	return strings.Join(out, " | ")
}

func TestAccept(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		url    string
		header []string
		want   string
	}{
		"missing":            {"/", nil, "*/*"},
		"empty":              {"/", []string{""}, "*/*"},
		"quality orders":     {"/", []string{"a/b;q=0.1, c/d, e/f;q=0.5"}, "c/d | e/f | a/b"},
		"equal keeps order":  {"/", []string{"a/b, c/d"}, "a/b | c/d"},
		"zero is refused":    {"/", []string{"a/b;q=0, c/d"}, "c/d"},
		"several headers":    {"/", []string{"a/b", "c/d"}, "a/b | c/d"},
		"quoted":             {"/", []string{`multipart/related; type="application/dicom"; transfer-syntax=*`}, "multipart/related;type=application/dicom;transfer-syntax=*"},
		"unquoted":           {"/", []string{`multipart/related;type=application/dicom;transfer-syntax=1.2.3`}, "multipart/related;type=application/dicom;transfer-syntax=1.2.3"},
		"comma in quotes":    {"/", []string{`multipart/related; type="a/b,c"; x=1, d/e`}, "multipart/related;type=a/b,c;x=1 | d/e"},
		"quote never closed": {"/", []string{`multipart/related; type="image/jpeg, d/e`}, "multipart/related;type=image/jpeg | d/e"},
		"upper case":         {"/", []string{`Multipart/Related; TYPE="Application/DICOM"`}, "multipart/related;type=Application/DICOM"},
		"doubled semicolon":  {"/", []string{`a/b;; x=1;`}, "a/b;x=1"},
		"star":               {"/", []string{"*"}, "*/*"},
		"query first":        {"/?accept=image/jphc", []string{"a/b"}, "image/jphc"},
		"query with plus":    {"/?accept=application/dicom+json", nil, "application/dicom+json"},
		"query escaped":      {"/?accept=multipart%2Frelated%3Btype%3D%22image%2Fjpeg%22", nil, "multipart/related;type=image/jpeg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, tc.url, nil)
			r.Header["Accept"] = tc.header
			if got := render(httpd.Accept(r)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestAcceptIsBounded(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", strings.Repeat("a/b,", 100_000))
	if n := len(httpd.Accept(r)); n != 64 {
		t.Errorf("%d media ranges, want the limit of 64", n)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mediaRange, mediaType string
		want                  bool
	}{
		{"*/*", "image/jpeg", true}, {"image/*", "image/jpeg", true}, {"image/jpeg", "image/jpeg", true},
		{"image/*", "video/mp4", false}, {"image/*", "imagery/x", false}, {"image", "image/jpeg", false},
		{"image/jls", "image/jpeg", false}, {"video/h265", "video/H265", true},
	} {
		if got := httpd.Covers(tc.mediaRange, tc.mediaType); got != tc.want {
			t.Errorf("Covers(%q, %q) = %v", tc.mediaRange, tc.mediaType, got)
		}
	}
}

// FuzzAccept: whatever a client sends, what is read is bounded, ordered and in lower case.
func FuzzAccept(f *testing.F) {
	f.Add(`multipart/related; type="application/dicom"; transfer-syntax=*, */*;q=0.1`)
	f.Add(`a/b;q=2, "c/d;x=\"y, ;;=;q=0`)
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", header)
		ms := httpd.Accept(r)
		if len(ms) > 64 {
			t.Fatalf("%d media ranges", len(ms))
		}
		for i, m := range ms {
			if m.Q <= 0 || m.Q > 1 || i > 0 && m.Q > ms[i-1].Q || m.Type != strings.ToLower(m.Type) {
				t.Fatalf("media range %d of %q: %+v", i, header, m)
			}
		}
	})
}
