package s3test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

// Fault is what the proxy does to a request.
type Fault int

// The faults.
const (
	SlowDown        Fault = iota + 1 // 503 SlowDown, before the request's body is read
	InternalError                    // 500 with a body that is not XML
	Hang                             // no answer until Heal
	Lost                             // carried out, but the answer is lost
	CutRequest                       // the connection ends after half of the request's body
	CutResponse                      // the connection ends after half of the response's body
	ShortResponse                    // half of the response's body, and a length to match
	StalledResponse                  // half of the response's body, then nothing until Heal
	FlipRequest                      // a bit of the request's body is changed
	FlipResponse                     // a bit of the response's body is changed
	Full                             // the medium is full
	Denied                           // the credentials are refused
	NoBucket                         // the bucket is gone
	NoChecksums                      // requests with checksums are not understood
)

// Proxy stands before an object store. It passes everything on until Inject.
type Proxy struct {
	URL string

	mu     sync.Mutex
	rules  []rule
	healed chan struct{} // closed by Heal
	struck int
}

type rule struct {
	fault  Fault
	method string
	left   int
}

// NewProxy starts a proxy before the store at a URL.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{healed: make(chan struct{})}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	forward := &httputil.ReverseProxy{
		// The Host stays as it was signed.
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(w, r, forward)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	p.URL = srv.URL
	t.Cleanup(func() {
		p.Heal()
		srv.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// Inject makes the next n requests with a method (empty: any) suffer a fault; n < 0: all, until
// Heal. Faults take their turns in the order in which they were injected.
func (p *Proxy) Inject(f Fault, method string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, rule{f, method, n})
}

// Heal ends all faults and lets go of the requests that hang.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	close(p.healed)
	p.healed = make(chan struct{})
}

// Struck returns how many requests suffered a fault.
func (p *Proxy) Struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

func (p *Proxy) fault(method string) (Fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.rules {
		r := &p.rules[i]
		if r.left == 0 || r.method != "" && r.method != method {
			continue
		}
		r.left--
		p.struck++
		return r.fault, p.healed
	}
	return 0, p.healed
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	fault, healed := p.fault(r.Method)
	switch fault {
	case SlowDown:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
		return
	case InternalError:
		http.Error(w, "something broke", http.StatusInternalServerError)
		return
	case Full:
		refuse(w, http.StatusInsufficientStorage, "XMinioStorageFull")
		return
	case Denied:
		refuse(w, http.StatusForbidden, "AccessDenied")
		return
	case NoBucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
		return
	case NoChecksums:
		if r.Header.Get("x-amz-checksum-crc32c") != "" || r.Header.Get("x-amz-checksum-algorithm") != "" {
			refuse(w, http.StatusNotImplemented, "NotImplemented")
			return
		}
	case Hang:
		select {
		case <-healed:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case Lost:
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case CutRequest:
		_, _ = io.CopyN(io.Discard, r.Body, max(r.ContentLength, 0)/2)
		panic(http.ErrAbortHandler)
	case FlipRequest:
		r.Body = &flipped{ReadCloser: r.Body, at: max(r.ContentLength, 0) / 2}
	case CutResponse, ShortResponse, StalledResponse, FlipResponse:
		w = &damaged{ResponseWriter: w, fault: fault, stop: func() {
			select {
			case <-healed:
			case <-r.Context().Done():
			}
		}}
	}
	next.ServeHTTP(w, r)
}

// flipped changes one bit of a body.
type flipped struct {
	io.ReadCloser
	at int64
}

func (f *flipped) Read(b []byte) (int, error) {
	n, err := f.ReadCloser.Read(b)
	if f.at >= 0 && f.at < int64(n) {
		b[f.at] ^= 1
	}
	f.at -= int64(n)
	return n, err
}

// damaged is a response of which half arrives, or not as it was.
type damaged struct {
	http.ResponseWriter
	fault Fault
	stop  func()
	begun bool
	half  int64
}

func (d *damaged) WriteHeader(status int) {
	d.begun = true
	size, _ := strconv.ParseInt(d.Header().Get("Content-Length"), 10, 64)
	d.half = size / 2
	if d.fault == ShortResponse {
		d.Header().Set("Content-Length", strconv.FormatInt(d.half, 10))
	}
	d.ResponseWriter.WriteHeader(status)
}

func (d *damaged) Write(b []byte) (int, error) {
	if !d.begun {
		d.WriteHeader(http.StatusOK)
	}
	n := int64(len(b))
	switch {
	case d.half >= n: // before the middle
	case d.fault == FlipResponse:
		if d.half >= 0 {
			b[d.half] ^= 1
		}
	default:
		_, _ = d.ResponseWriter.Write(b[:d.half])
		_ = http.NewResponseController(d.ResponseWriter).Flush()
		if d.fault == ShortResponse {
			d.half = 0
			return len(b), nil
		}
		if d.fault == StalledResponse {
			d.stop()
		}
		panic(http.ErrAbortHandler)
	}
	d.half -= n
	return d.ResponseWriter.Write(b)
}

func (d *damaged) Unwrap() http.ResponseWriter { return d.ResponseWriter }
