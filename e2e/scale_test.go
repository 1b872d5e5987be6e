package e2e

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestScale holds the store to a flat rate and a flat search: the last tenth-thousands of 200,000
// small instances go in at no less than 0.8 of the rate of the first, and a search by PatientID
// takes no more than 1.3 times as long as with 10,000. It compares with itself in one run.
// It takes minutes, so it runs when AURELIUS_LONG is set (make scale).
func TestScale(t *testing.T) {
	if os.Getenv("AURELIUS_LONG") == "" {
		t.Skip("takes minutes: make scale")
	}
	const total, window, senders = 200_000, 10_000, 4
	s := start(t, "--log-level", "warn")
	var first, last time.Duration
	var early, late time.Duration
	for sent := 0; sent < total; sent += window {
		took := sendWindow(t, s, sent, window, senders)
		t.Logf("%6d to %6d: %.0f inst/s", sent, sent+window, window/took.Seconds())
		if sent == 0 {
			first = took
			early = searchTime(t, s, window)
		}
		last = took
	}
	late = searchTime(t, s, total)
	t.Logf("stored at %.0f inst/s first, %.0f last; PatientID in %v at %d, %v at %d",
		window/first.Seconds(), window/last.Seconds(), early, window, late, total)
	if ratio := first.Seconds() / last.Seconds(); ratio < 0.8 {
		t.Errorf("the last %d went in at %.2f of the rate of the first", window, ratio)
	}
	if ratio := late.Seconds() / early.Seconds(); ratio > 1.3 {
		t.Errorf("a search by PatientID takes %.2f times as long", ratio)
	}
}

// perPatient instances have one patient, study and series, as a small examination has.
const perPatient = 20

// sendWindow stores instances from begin on over several associations.
func sendWindow(t *testing.T, s *server, begin, count, senders int) time.Duration {
	t.Helper()
	started := time.Now()
	var wg sync.WaitGroup
	failed := make([]error, senders)
	for k := range senders {
		wg.Go(func() {
			w, err := dialWire(s.dimse, ctStorage, explicitLE, 5*time.Minute)
			if err != nil {
				failed[k] = err
				return
			}
			defer w.abort()
			share := count / senders
			pixels := make([]byte, 2048)
			for i := begin + k*share; i < begin+(k+1)*share; i++ {
				m := ct(i/perPatient, 1, i%perPatient+1)
				head, _ := m.header()
				answer, err := w.store(m.uid(), bytes.NewReader(append(head, pixels...)))
				if err != nil || !answer.stored() {
					failed[k] = fmt.Errorf("%v %v", answer, err)
					return
				}
			}
			failed[k] = w.release()
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(started)
}

// searchTime is the median time of a search for one of the patients.
func searchTime(t *testing.T, s *server, stored int) time.Duration {
	t.Helper()
	patients := stored / perPatient
	var times []time.Duration
	for i := range 400 {
		begun := time.Now()
		status, _, body := s.get(t, fmt.Sprintf("/studies?PatientID=E2E-%d", i*7919%patients))
		times = append(times, time.Since(begun))
		if status != 200 || !bytes.Contains(body, []byte("0020000D")) {
			t.Fatalf("status %d: %s", status, body)
		}
	}
	slices.Sort(times)
	return times[len(times)/2]
}
