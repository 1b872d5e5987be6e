package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// errStalled ends a request on which no byte moved for Config.Stall.
var errStalled = errors.New("the object store does not read or send")

// transport is HTTP as the store needs it: no request hangs, and no request body is read any
// more once its response was closed, so that buffers can be used again.
type transport struct {
	base   *http.Transport
	stall  time.Duration
	answer time.Duration
}

func newTransport(cfg Config) *transport {
	return &transport{
		stall:  cfg.Stall,
		answer: cfg.Timeout,
		base: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: min(5*time.Second, cfg.Timeout), KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   min(10*time.Second, cfg.Timeout),
			ResponseHeaderTimeout: cfg.Timeout,
			IdleConnTimeout:       time.Minute,
			MaxIdleConns:          256,
			MaxIdleConnsPerHost:   256, // a connection per writer and reader, kept
			WriteBufferSize:       64 << 10,
			ReadBufferSize:        64 << 10,
			DisableCompression:    true, // bodies are the objects' own bytes
		},
	}
}

// RoundTrip sends the request under watch.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	watch := time.AfterFunc(t.stall, func() { cancel(errStalled) })
	watch.Stop() // it runs while somebody waits for a byte
	x := &exchange{transport: t, ctx: ctx, cancel: cancel, watch: watch, sent: make(chan struct{})}
	out := req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = &sending{ReadCloser: req.Body, x: x}
	} else {
		close(x.sent)
	}
	resp, err := t.base.RoundTrip(out)
	watch.Stop()
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
			err = cause
		}
		x.finish()
		return nil, err
	}
	resp.Body = &receiving{ReadCloser: resp.Body, x: x}
	return resp, nil
}

// exchange is one request and its response.
type exchange struct {
	*transport
	ctx    context.Context
	cancel context.CancelCauseFunc
	watch  *time.Timer
	sent   chan struct{} // closed when the request body is not read any more
}

// finish ends what is still going on and waits until nobody uses the request body: a store may
// answer, 503 for instance, before it has read what it was sent.
func (x *exchange) finish() {
	x.cancel(nil)
	x.watch.Stop()
	<-x.sent
}

// sending is a request body: each Read means that what was read before has been taken.
type sending struct {
	io.ReadCloser
	x    *exchange
	once sync.Once
}

func (b *sending) Read(p []byte) (int, error) {
	b.x.watch.Reset(b.x.stall)
	return b.ReadCloser.Read(p)
}

func (b *sending) Close() error {
	b.once.Do(func() {
		b.x.watch.Reset(b.x.stall + b.x.answer) // what is still in buffers, then the answer
		close(b.x.sent)
	})
	return b.ReadCloser.Close()
}

// receiving is a response body. A slow reader is no stall: the watch runs within Read only.
type receiving struct {
	io.ReadCloser
	x *exchange
}

func (b *receiving) Read(p []byte) (int, error) {
	b.x.watch.Reset(b.x.stall)
	n, err := b.ReadCloser.Read(p)
	b.x.watch.Stop()
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.x.ctx); errors.Is(cause, errStalled) {
			err = cause
		}
	}
	return n, err
}

func (b *receiving) Close() error {
	err := b.ReadCloser.Close()
	b.x.finish()
	return err
}
