package httpd

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Limits on a client that takes its answer too slowly.
const (
	writeGrace = time.Minute // for any answer
	writeRate  = 16 << 10    // bytes a second that are waited for beyond the grace
	extendStep = 5 * time.Second
)

// Response is the http.ResponseWriter all handlers write to. It counts, remembers the status,
// moves the write deadline along with what is sent, and keeps io.ReaderFrom, so that a file
// goes to the socket by sendfile.
type Response struct {
	w        http.ResponseWriter
	ctl      *http.ResponseController
	status   int
	bytes    int64
	started  time.Time
	extended time.Time
	route    string
	id       string
}

func (r *Response) reset(w http.ResponseWriter, now time.Time) {
	*r = Response{w: w, started: now, extended: now}
}

// Header implements http.ResponseWriter.
func (r *Response) Header() http.Header { return r.w.Header() }

// Unwrap lets http.ResponseController reach the connection.
func (r *Response) Unwrap() http.ResponseWriter { return r.w }

// WriteHeader implements http.ResponseWriter.
func (r *Response) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
		var size int64
		if v := r.w.Header()["Content-Length"]; len(v) == 1 {
			size, _ = strconv.ParseInt(v[0], 10, 64)
		}
		now := time.Now()
		if size > writeRate || now.Sub(r.started) > extendStep {
			r.extend(now, size)
		}
	}
	r.w.WriteHeader(status)
}

// extend gives the client time to take n more bytes.
func (r *Response) extend(now time.Time, n int64) {
	if r.ctl == nil {
		r.ctl = http.NewResponseController(r.w)
	}
	r.extended = now
	// Not supported (a test recorder) is no error: there is no deadline to move then.
	_ = r.ctl.SetWriteDeadline(now.Add(writeGrace + time.Duration(n/writeRate)*time.Second))
}

func (r *Response) touch() {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	// Only bodies without a length need this: the others got all their time at the header.
	if _, ok := r.w.Header()["Content-Length"]; !ok {
		if now := time.Now(); now.Sub(r.extended) > extendStep {
			r.extend(now, 0)
		}
	}
}

// Write implements http.ResponseWriter.
func (r *Response) Write(p []byte) (int, error) {
	r.touch()
	n, err := r.w.Write(p)
	r.bytes += int64(n)
	return n, err
}

// WriteString implements io.StringWriter.
func (r *Response) WriteString(s string) (int, error) {
	r.touch()
	n, err := io.WriteString(r.w, s)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom: net/http hands an *io.LimitedReader of an *os.File to
// sendfile when the answer is not chunked.
func (r *Response) ReadFrom(src io.Reader) (int64, error) {
	r.touch()
	var n int64
	var err error
	if rf, ok := r.w.(io.ReaderFrom); ok {
		n, err = rf.ReadFrom(src)
	} else {
		n, err = io.Copy(writerOnly{r.w}, src)
	}
	r.bytes += n
	return n, err
}

// Flush implements http.Flusher.
func (r *Response) Flush() {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if f, ok := r.w.(http.Flusher); ok {
		f.Flush()
	}
}

// Status returns the status sent, 200 when the handler sent none.
func (r *Response) Status() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// Bytes returns how many bytes of body were written.
func (r *Response) Bytes() int64 { return r.bytes }

// RequestID returns the request's identifier, also sent as X-Request-Id.
func (r *Response) RequestID() string { return r.id }

type writerOnly struct{ io.Writer }

// Raw returns the Response below w, or w itself: gin's writer hides io.ReaderFrom, so a body
// must not go through it. The header must have been written before.
func Raw(w http.ResponseWriter) http.ResponseWriter {
	for inner := w; ; {
		if r, ok := inner.(*Response); ok {
			return r
		}
		u, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return inner
		}
		inner = u.Unwrap()
	}
}

// RequestIDOf returns the identifier of the request w answers, "" when there is none.
func RequestIDOf(w http.ResponseWriter) string {
	if r, ok := Raw(w).(*Response); ok {
		return r.id
	}
	return ""
}

// SetRoute tells log and metrics the route's pattern ("/studies/:study"), never its URL.
func SetRoute(w http.ResponseWriter, pattern string) {
	if r, ok := Raw(w).(*Response); ok {
		r.route = pattern
	}
}
