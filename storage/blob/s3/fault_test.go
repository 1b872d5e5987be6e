package s3_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/blob/blobtest"
	"github.com/aurelius-imaging/aurelius/storage/blob/s3"
	"github.com/aurelius-imaging/aurelius/storage/blob/s3/s3test"
)

const tenant = "radiology"

// impatient opens a store behind a proxy. Its time-outs are ones that a test can wait for where the
// fault is that nothing comes, and else long: on a busy machine a sound request may take seconds.
func impatient(t *testing.T, url string, giveUp time.Duration, faults ...s3test.Fault) (*s3.Store, *s3test.Proxy) {
	t.Helper()
	p := s3test.NewProxy(t, url)
	cfg := quick(t, p.URL)
	wait := 30 * time.Second
	switch hangs := slices.Contains(faults, s3test.Hang); {
	case hangs && giveUp != patient:
		wait = 5 * time.Second
	case hangs, slices.Contains(faults, s3test.StalledResponse): // it is tried again, or stalls many times
		wait = 2 * time.Second
	}
	cfg.Timeout, cfg.Stall, cfg.GiveUp = wait, wait, giveUp
	s := open(t, cfg)
	t.Cleanup(p.Heal) // before the store is closed and the bucket emptied
	return s, p
}

const (
	patient = time.Minute
	soon    = 300 * time.Millisecond
)

// put is blobtest.Put, but tells the error.
func put(ctx context.Context, s blob.Store, content []byte) (blob.Record, error) {
	w, err := s.Create(ctx, tenant)
	if err != nil {
		return blob.Record{}, err
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		return blob.Record{}, err
	}
	return w.Commit(ctx)
}

// read is blobtest.Get, but tells the error.
func read(ctx context.Context, s blob.Store, l blob.Location) ([]byte, error) {
	r, err := s.Open(ctx, l, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

var sizes = map[string]int{"small": 600_000, "multipart": 11<<20 + 5}

func TestFaultsThatPass(t *testing.T) {
	writing := map[string]s3test.Fault{
		"slow down": s3test.SlowDown, "internal error": s3test.InternalError, "hang": s3test.Hang,
		"request cut": s3test.CutRequest, "request damaged": s3test.FlipRequest, "answer lost": s3test.Lost,
		"answer cut": s3test.CutResponse,
	}
	reading := map[string]s3test.Fault{
		"slow down": s3test.SlowDown, "internal error": s3test.InternalError, "hang": s3test.Hang,
		"response cut": s3test.CutResponse, "response short": s3test.ShortResponse, "response stalled": s3test.StalledResponse,
	}
	onPeers(t, func(t *testing.T, url string) {
		for size, n := range sizes {
			content := blobtest.Content(7, n)
			for name, fault := range writing {
				t.Run("write/"+size+"/"+name, func(t *testing.T) {
					t.Parallel()
					s, p := impatient(t, url, patient, fault)
					p.Inject(fault, "PUT", 1)
					if fault != s3test.FlipRequest {
						p.Inject(fault, "POST", 1) // begins and completes uploads
					}
					r, err := put(t.Context(), s, content)
					if err != nil {
						t.Fatalf("after %d faults: %v", p.Struck(), err)
					}
					if p.Struck() == 0 {
						t.Error("no fault struck")
					}
					if got, err := read(t.Context(), s, r.Location); err != nil || !bytes.Equal(got, content) {
						t.Errorf("read %d bytes, %v", len(got), err)
					}
					if got := blobtest.Records(t, s, nil); len(got) != 1 || got[0] != r {
						t.Errorf("records %+v, want %+v", got, r)
					}
				})
			}
			for name, fault := range reading {
				t.Run("read/"+size+"/"+name, func(t *testing.T) {
					t.Parallel()
					s, p := impatient(t, url, patient, fault)
					r, err := put(t.Context(), s, content)
					if err != nil {
						t.Fatal(err)
					}
					p.Inject(fault, "GET", 1)
					got, err := read(t.Context(), s, r.Location)
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("read %d bytes, %v", len(got), err)
					}
					p.Inject(fault, "GET", 1)
					if got := blobtest.Records(t, s, nil); len(got) != 1 {
						t.Errorf("records %+v", got)
					}
				})
			}
		}
	})
}

func TestFaultsThatStay(t *testing.T) {
	faults := map[string]struct {
		fault s3test.Fault
		kind  errs.Kind
	}{
		"slow down": {s3test.SlowDown, errs.Unavailable},
		"hang":      {s3test.Hang, errs.Unavailable},
		"cut":       {s3test.CutRequest, errs.Unavailable},
		"damaged":   {s3test.FlipRequest, errs.Unavailable},
		"full":      {s3test.Full, errs.Exhausted},
		"denied":    {s3test.Denied, errs.Unavailable},
		"no bucket": {s3test.NoBucket, errs.Unavailable},
	}
	onPeers(t, func(t *testing.T, url string) {
		for size, n := range sizes {
			content := blobtest.Content(8, n)
			for name, tt := range faults {
				t.Run(size+"/"+name, func(t *testing.T) {
					t.Parallel()
					s, p := impatient(t, url, soon, tt.fault)
					before, err := put(t.Context(), s, content[:1000])
					if err != nil {
						t.Fatal(err)
					}
					p.Inject(tt.fault, "PUT", -1)
					_, err = put(t.Context(), s, content)
					if !errs.Is(err, tt.kind) {
						t.Errorf("error %v, want %v", err, tt.kind)
					}
					if err != nil && strings.Contains(errs.Safe(err), p.URL) {
						t.Errorf("a peer is told %q", errs.Safe(err))
					}
					p.Heal()
					after, err := put(t.Context(), s, content)
					if err != nil {
						t.Fatalf("healed: %v", err)
					}
					got := blobtest.Records(t, s, nil)
					if len(got) != 2 || got[0] != before || got[1] != after {
						t.Errorf("records %+v, want what was acknowledged", got)
					}
				})
			}
		}
	})
}

// A failure in the very last step: the object may be there although nobody was told.
func TestCommitThatFailed(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		for size, n := range sizes {
			t.Run(size, func(t *testing.T) {
				t.Parallel()
				s, p := impatient(t, url, soon)
				w, err := s.Create(t.Context(), tenant)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Abort()
				if _, err := w.Write(blobtest.Content(9, n)); err != nil {
					t.Fatal(err)
				}
				for _, method := range []string{"PUT", "POST", "HEAD", "GET"} {
					p.Inject(s3test.Lost, method, 200)
				}
				if _, err := w.Commit(t.Context()); !errs.Is(err, errs.Unavailable) {
					t.Errorf("error %v", err)
				}
				p.Heal()
				if err := s.Close(); err != nil { // waits for the clearing up
					t.Fatal(err)
				}
				if got := blobtest.Records(t, s, nil); len(got) != 0 {
					t.Errorf("records %+v stayed", got)
				}
			})
		}
	})
}

// A store that does not know checksum headers is served without them.
func TestNoChecksums(t *testing.T) {
	for size, n := range sizes {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			s, p := impatient(t, s3test.Fake(t), patient)
			p.Inject(s3test.NoChecksums, "", -1)
			content := blobtest.Content(1, n)
			for range 2 {
				r, err := put(t.Context(), s, content)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := read(t.Context(), s, r.Location); err != nil || !bytes.Equal(got, content) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
			}
		})
	}
}

func TestReadDamaged(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		s, p := impatient(t, url, patient)
		for _, n := range sizes {
			content := blobtest.Content(1, n)
			r, err := put(t.Context(), s, content)
			if err != nil {
				t.Fatal(err)
			}
			p.Inject(s3test.FlipResponse, "GET", 1)
			got, err := read(t.Context(), s, r.Location)
			if !errs.Is(err, errs.Invalid) || len(got) >= n {
				t.Errorf("%d of %d bytes, error %v", len(got), n, err)
			}
			p.Inject(s3test.FlipResponse, "GET", 1)
			rc, err := s.Open(t.Context(), r.Location, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(rc, make([]byte, n)); err == nil {
				t.Error("io.ReadFull did not notice")
			}
			rc.Close()
			p.Inject(s3test.FlipResponse, "GET", 1)
			if err := s.Verify(t.Context(), r.Location); err != nil {
				t.Errorf("Verify condemns what was damaged on the way: %v", err)
			}
		}
	})
}

func TestReadFaultsThatStay(t *testing.T) {
	url := s3test.Fake(t)
	for name, fault := range map[string]s3test.Fault{"hang": s3test.Hang, "cut": s3test.CutResponse, "stalled": s3test.StalledResponse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := impatient(t, url, soon, fault)
			const n = 10_000
			content := blobtest.Content(1, n)
			r, err := put(t.Context(), s, content)
			if err != nil {
				t.Fatal(err)
			}
			p.Inject(fault, "GET", -1)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			if fault != s3test.Hang { // half of what is left arrives each time, until one byte does not
				content, _ = read(ctx, s, r.Location)
				if ctx.Err() != nil || len(content) == n {
					t.Errorf("%d bytes", len(content))
				}
			} else if _, err := s.Open(ctx, r.Location, 0, -1); !errs.Is(err, errs.Unavailable) {
				t.Errorf("error %v", err)
			}
			p.Heal()
			if _, err := read(t.Context(), s, r.Location); err != nil {
				t.Errorf("healed: %v", err)
			}
		})
	}
}

func TestErasePasses(t *testing.T) {
	onPeers(t, func(t *testing.T, url string) {
		for name, fault := range map[string]s3test.Fault{"slow down": s3test.SlowDown, "lost": s3test.Lost, "hang": s3test.Hang} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, p := impatient(t, url, patient, fault)
				r, err := put(t.Context(), s, []byte("content"))
				if err != nil {
					t.Fatal(err)
				}
				p.Inject(fault, "", 1)
				if err := s.Erase(t.Context(), r.Location); err != nil {
					t.Fatal(err)
				}
				if got := blobtest.Records(t, s, nil); len(got) != 0 {
					t.Errorf("records %+v", got)
				}
			})
		}
		t.Run("stays", func(t *testing.T) {
			t.Parallel()
			s, p := impatient(t, url, soon)
			r, err := put(t.Context(), s, []byte("content"))
			if err != nil {
				t.Fatal(err)
			}
			p.Inject(s3test.Denied, "POST", -1)
			if err := s.Erase(t.Context(), r.Location); !errs.Is(err, errs.Unavailable) {
				t.Errorf("error %v", err)
			}
			if _, err := s.Open(t.Context(), r.Location, 0, -1); !errs.Is(err, errs.NotFound) {
				t.Errorf("open: %v", err)
			}
			p.Heal()
			if err := s.Erase(t.Context(), r.Location); err != nil {
				t.Errorf("tried again: %v", err)
			}
		})
	})
}

// Nothing stays behind: no goroutine, no connection.
func TestNoLeaks(t *testing.T) {
	url := s3test.Fake(t)
	p := s3test.NewProxy(t, url)
	before := runtime.NumGoroutine()
	cfg := quick(t, p.URL)
	cfg.Timeout, cfg.Stall, cfg.GiveUp = 5*time.Second, 5*time.Second, soon
	s, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	content := blobtest.Content(1, 6<<20)
	for _, fault := range []s3test.Fault{s3test.SlowDown, s3test.Hang, s3test.CutRequest, s3test.Lost} {
		p.Inject(fault, "", 30)
		if _, err := put(t.Context(), s, content); err == nil {
			t.Error("put succeeded")
		}
		p.Heal()
	}
	r, err := put(t.Context(), s, content)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := s.Open(t.Context(), r.Location, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = rc.Read(make([]byte, 10))
	rc.Close()
	for range s.List(t.Context(), nil) {
		break
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+4 { // the proxy's own connections to the fake
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}
