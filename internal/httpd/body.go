package httpd

import (
	"io"
	"net/http"
	"time"
)

// Limits on a client that sends its request body too slowly: in every 30 s that we wait for it,
// 16 KiB must arrive. Waiting on ourselves (a busy disk) does not count.
const (
	bodyWindow = 30 * time.Second
	bodyBytes  = 16 << 10
	drainTime  = 5 * time.Second
)

// body is a request body with a deadline that moves as long as the client makes progress.
type body struct {
	io.ReadCloser
	ctl    *http.ResponseController
	window time.Duration
	left   time.Duration // of the window
	got    int           // bytes in this window
}

func newBody(r *http.Request, w http.ResponseWriter, window time.Duration) *body {
	return &body{ReadCloser: r.Body, ctl: http.NewResponseController(w), window: window, left: window}
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	start := time.Now()
	// Without support for deadlines (a test recorder) there is no slow client either.
	_ = b.ctl.SetReadDeadline(start.Add(b.left))
	n, err := b.ReadCloser.Read(p)
	b.left -= time.Since(start)
	if b.got += n; b.got >= bodyBytes {
		b.got, b.left = 0, b.window
	}
	if err == io.EOF {
		_ = b.ctl.SetReadDeadline(time.Time{})
	}
	return n, err
}

// finish gives net/http a moment to drop what the handler did not read.
func (b *body) finish() {
	_ = b.ctl.SetReadDeadline(time.Now().Add(drainTime))
}
