package dicomweb

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/internal/httpd"
)

const (
	gzipMin   = 1 << 10   // smaller bodies gain nothing
	streamAt  = 512 << 10 // larger answers go out as they grow, chunked
	keepBytes = 1 << 20   // larger buffers are not kept for the next request
)

var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

// text is an answer of JSON or XML that is appended to. Small ones leave at once, with their
// length; large ones are streamed, so that memory does not grow with them.
type text struct {
	c           *gin.Context
	contentType string
	status      int
	buf         []byte
	pooled      *[]byte
	gzip        bool
	begun       bool
	zip         httpd.GzipWriter
	// before is called before the header leaves; more: the body is not complete yet.
	before func(more bool) error
}

func newText(c *gin.Context, contentType string) *text {
	p := bodies.Get().(*[]byte)
	return &text{c: c, contentType: contentType, status: http.StatusOK, pooled: p, buf: (*p)[:0],
		gzip: httpd.AcceptsGzip(c.Request)}
}

// free returns the buffer; it is safe to call at any time after the last use.
func (t *text) free() {
	if t.pooled == nil {
		return
	}
	if cap(t.buf) <= keepBytes {
		*t.pooled = t.buf[:0]
		bodies.Put(t.pooled)
	}
	t.pooled = nil
}

// spill sends what there is when it has become large.
func (t *text) spill() error {
	if len(t.buf) < streamAt {
		return nil
	}
	if !t.begun {
		if err := t.begin(true); err != nil {
			return err
		}
	}
	return t.flush()
}

func (t *text) begin(more bool) error {
	if t.before != nil {
		if err := t.before(more); err != nil {
			return err
		}
	}
	t.begun = true
	h := t.c.Writer.Header()
	h["Content-Type"] = []string{t.contentType}
	h["Vary"] = append(h["Vary"], "Accept, Accept-Encoding")
	if more {
		if t.gzip {
			h.Set("Content-Encoding", "gzip")
			t.zip = httpd.NewGzipWriter(httpd.Raw(t.c.Writer))
		}
		sendHeader(t.c, t.status)
		return nil
	}
	if t.gzip && len(t.buf) >= gzipMin {
		zipped := httpd.AppendGzip(make([]byte, 0, len(t.buf)/8), t.buf)
		t.buf = append(t.buf[:0], zipped...)
		h.Set("Content-Encoding", "gzip")
	}
	h["Content-Length"] = []string{strconv.Itoa(len(t.buf))}
	sendHeader(t.c, t.status)
	t.gzip = false
	return nil
}

func (t *text) flush() error {
	var err error
	if t.gzip {
		_, err = t.zip.Write(t.buf)
	} else if t.c.Request.Method != http.MethodHead {
		_, err = httpd.Raw(t.c.Writer).Write(t.buf)
	}
	t.buf = t.buf[:0]
	return err
}

// end sends the rest.
func (t *text) end() error {
	streamed := t.begun
	if !streamed {
		if err := t.begin(false); err != nil {
			return err
		}
	}
	err := t.flush()
	if streamed && t.gzip {
		if e := t.zip.Close(); err == nil {
			err = e
		}
	}
	return err
}

// sendHeader sends status and header, so that the body can go to httpd.Raw past gin's writer.
func sendHeader(c *gin.Context, status int) {
	c.Writer.WriteHeader(status)
	c.Writer.WriteHeaderNow()
}

// sendBytes answers with a body that is ready.
func sendBytes(c *gin.Context, contentType string, body []byte) error {
	h := c.Writer.Header()
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	sendHeader(c, http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	_, err := httpd.Raw(c.Writer).Write(body)
	return err
}
