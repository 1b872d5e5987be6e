package httpd

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipLevel 1 costs 2 ms for 1,000 CT headers and leaves 2 % of them; 6 costs three times as
// much for a sixth less (shared/performance.md 2).
const gzipLevel = 1

// AcceptsGzip reports whether the client takes gzip (RFC 9110 12.5.3).
func AcceptsGzip(r *http.Request) bool {
	for _, v := range r.Header["Accept-Encoding"] {
		if v == "gzip, deflate" || v == "gzip" { // what most send
			return true
		}
		for v != "" {
			var item string
			item, v, _ = strings.Cut(v, ",")
			coding, param, _ := strings.Cut(item, ";")
			if c := strings.TrimSpace(coding); strings.EqualFold(c, "gzip") || c == "*" {
				return !zeroQuality(param)
			}
		}
	}
	return false
}

func zeroQuality(param string) bool {
	v, ok := strings.CutPrefix(strings.ReplaceAll(param, " ", ""), "q=")
	return ok && strings.Trim(v, "0.") == ""
}

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzipLevel) // the level is valid
	return w
}}

// AppendGzip appends the compressed body to dst.
func AppendGzip(dst, body []byte) []byte {
	out := bytes.NewBuffer(dst)
	w := NewGzipWriter(out)
	w.Write(body) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

// GzipWriter compresses on the fly; Close returns its state to a pool.
type GzipWriter struct{ *gzip.Writer }

// NewGzipWriter writes compressed to w.
func NewGzipWriter(w io.Writer) GzipWriter {
	g := gzipWriters.Get().(*gzip.Writer)
	g.Reset(w)
	return GzipWriter{g}
}

// Close writes the end of the stream. The writer must not be used again.
func (g GzipWriter) Close() error {
	err := g.Writer.Close()
	gzipWriters.Put(g.Writer)
	return err
}
