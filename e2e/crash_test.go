package e2e

import (
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rounds is how often the crash tests kill the server ($AURELIUS_KILL_ROUNDS; a release takes 50).
func rounds(t testing.TB) int {
	t.Helper()
	v := os.Getenv("AURELIUS_KILL_ROUNDS")
	if v == "" {
		return 5
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("AURELIUS_KILL_ROUNDS=%q", v)
	}
	return n
}

const (
	senders      = 4
	perKillRound = 1000
)

// mixed is instance i of a round: most are small, one in twenty is a slice of 526 kB.
func mixed(round, i int) object {
	if i%20 == 7 {
		return slice(round, i%senders, i).object()
	}
	return ct(round, i%senders, i).object()
}

// TestKillWhileReceiving kills the server at a random moment of a send of 1,000 instances on four
// associations, starts it again on the same data, and demands every instance that was
// acknowledged: found, whole and byte for byte.
func TestKillWhileReceiving(t *testing.T) {
	t.Parallel()
	s := start(t)
	for round := range rounds(t) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		acknowledged := make([]atomic.Bool, perKillRound)
		killer := newKiller(s, 1+random.IntN(perKillRound-1), time.Duration(random.IntN(3000))*time.Microsecond)
		var group sync.WaitGroup
		for sender := range senders {
			group.Go(func() {
				w, err := dialWire(s.dimse, ctStorage, explicitLE, time.Minute)
				if err != nil {
					if !killer.done() {
						t.Errorf("round %d: %v", round, err)
					}
					return
				}
				defer w.conn.Close()
				for i := sender; i < perKillRound; i += senders {
					o := mixed(round, i)
					rsp, err := w.store(o.SOPInstanceUID, o.dataset())
					if err != nil {
						return // killed
					}
					if rsp.status != 0 {
						t.Errorf("round %d: instance %d: %v", round, i, rsp)
						continue
					}
					acknowledged[i].Store(true)
					killer.count()
				}
			})
		}
		group.Wait()
		killer.kill(t)
		s.run(t)
		var n int
		there := map[int]bool{}
		for study := range senders {
			for uid, file := range s.study(t, uidOf(round, study)) {
				i := numberOf(uid)
				mixed(round, i).same(t, "WADO after the crash", file)
				there[i] = true
			}
		}
		found := s.uids(t, round)
		for i := range acknowledged {
			if !acknowledged[i].Load() {
				continue
			}
			n++
			if !there[i] {
				t.Errorf("round %d (seed %d): instance %d was acknowledged and is lost", round, seed, i)
			}
			if !found[mixedUID(round, i)] {
				t.Errorf("round %d (seed %d): instance %d was acknowledged and is not found", round, seed, i)
			}
		}
		if len(there) != len(found) {
			t.Errorf("round %d: %d instances are retrieved, %d are found", round, len(there), len(found))
		}
		t.Logf("round %d: killed after %d acknowledgements; %d instances are there", round, n, len(there))
		s.clear(t)
	}
	s.stop(t)
	s.fsck(t)
}

func mixedUID(round, i int) string { return ct(round, i%senders, i).uid() }

func numberOf(uid string) int {
	for k := len(uid) - 1; k >= 0; k-- {
		if uid[k] == '.' {
			n, _ := strconv.Atoi(uid[k+1:])
			return n
		}
	}
	return -1
}

// killer kills the server a moment after the count reaches a number.
type killer struct {
	s     *server
	at    int64
	after time.Duration
	n     atomic.Int64
	dead  atomic.Bool
}

func newKiller(s *server, at int, after time.Duration) *killer {
	return &killer{s: s, at: int64(at), after: after}
}

func (k *killer) done() bool { return k.dead.Load() }

func (k *killer) count() {
	if k.n.Add(1) != k.at {
		return
	}
	time.AfterFunc(k.after, func() {
		k.dead.Store(true)
		_ = k.s.cmd.Process.Kill()
	})
}

// kill waits for the death, and brings it about if the count was never reached.
func (k *killer) kill(t testing.TB) {
	t.Helper()
	k.dead.Store(true)
	k.s.kill(t)
}

// study retrieves all instances of a study, as stored, by SOP Instance UID.
func (s *server) study(t testing.TB, StudyInstanceUID string) map[string][]byte {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.web("/studies/"+StudyInstanceUID), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", asStored)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil
	}
	_, params, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("study: status %d, Content-Type %q", response.StatusCode, response.Header.Get("Content-Type"))
		return nil
	}
	out := map[string][]byte{}
	for r := multipart.NewReader(response.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Errorf("study: %v", err)
			return out
		}
		file, err := io.ReadAll(p)
		if err != nil {
			t.Errorf("study: %v", err)
			return out
		}
		out[metaUID(file)] = file
	}
}

// metaUID reads Media Storage SOP Instance UID (0002,0003).
func metaUID(file []byte) string {
	for at := 132; at+8 < datasetOffset(file); {
		n := int(file[at+6]) | int(file[at+7])<<8
		head := 8
		if file[at+4] == 'O' {
			n, head = int(file[at+8])|int(file[at+9])<<8, 12
		}
		if file[at+2] == 3 {
			v := file[at+head : at+head+n]
			for len(v) > 0 && v[len(v)-1] == 0 {
				v = v[:len(v)-1]
			}
			return string(v)
		}
		at += head + n
	}
	return ""
}

// uids are the SOP Instance UIDs that QIDO finds for a patient of these tests.
func (s *server) uids(t testing.TB, patient int) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, m := range s.search(t, "/instances?limit=10000&PatientID=E2E-"+strconv.Itoa(patient)) {
		out[m.text("00080018")] = true
	}
	return out
}

// TestKillWhileStowing is the same by STOW, in requests of twenty.
func TestKillWhileStowing(t *testing.T) {
	t.Parallel()
	s := start(t)
	const requests, each = 40, 20
	for round := range rounds(t) {
		killer := newKiller(s, 1+rand.IntN(requests-1), time.Duration(rand.IntN(8000))*time.Microsecond)
		var mu sync.Mutex
		acknowledged := map[int]bool{}
		var group sync.WaitGroup
		for sender := range 2 {
			group.Go(func() {
				for r := sender; r < requests; r += 2 {
					var files [][]byte
					for i := range each {
						files = append(files, ct(round, 0, r*each+i).object().file)
					}
					answer, err := tryStow(t, s, files...)
					if err != nil {
						return // killed
					}
					mu.Lock()
					for uid := range answer.stored {
						acknowledged[numberOf(uid)] = true
					}
					mu.Unlock()
					if len(answer.stored) != each {
						t.Errorf("round %d: status %d, %d stored: %s", round, answer.status, len(answer.stored), tail(answer.body, 300))
					}
					killer.count()
				}
			})
		}
		group.Wait()
		killer.kill(t)
		s.run(t)
		there := s.study(t, uidOf(round, 0))
		found := s.uids(t, round)
		for i := range acknowledged {
			o := ct(round, 0, i).object()
			if file, ok := there[o.SOPInstanceUID]; !ok || !o.same(t, "WADO after the crash", file) {
				t.Errorf("round %d: instance %d was acknowledged and is lost", round, i)
			}
			if !found[o.SOPInstanceUID] {
				t.Errorf("round %d: instance %d was acknowledged and is not found", round, i)
			}
		}
		t.Logf("round %d: %d acknowledged, %d there", round, len(acknowledged), len(there))
		s.clear(t)
	}
	s.stop(t)
	s.fsck(t)
}

func tryStow(t testing.TB, s *server, files ...[]byte) (stowed, error) {
	request, err := http.NewRequest(http.MethodPost, s.web("/studies"), stowBody(files...))
	if err != nil {
		return stowed{}, err
	}
	for i := 0; i < len(stowHeader); i += 2 {
		request.Header.Set(stowHeader[i], stowHeader[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return stowed{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return stowed{}, err
	}
	return parseStowed(t, response.StatusCode, body), nil
}

// TestKillWhileDeleting kills the server between deletions of instances, series and studies. What
// was reported deleted is gone for good; what is left is whole.
func TestKillWhileDeleting(t *testing.T) {
	t.Parallel()
	s := start(t)
	const studies, each = 20, 10
	for round := range rounds(t) {
		for study := range studies {
			var objects []object
			for i := range each {
				objects = append(objects, ct(round, study, i).object())
			}
			if answer := s.stow(t, objects...); answer.status != http.StatusOK {
				t.Fatalf("status %d: %s", answer.status, tail(answer.body, 300))
			}
		}
		killer := newKiller(s, 1+rand.IntN(studies*each/2), time.Duration(rand.IntN(2000))*time.Microsecond)
		gone := map[string]bool{}
		deleted := func(path string) bool {
			request, err := http.NewRequest(http.MethodDelete, s.web(path), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return false
			}
			response.Body.Close()
			if response.StatusCode/100 != 2 {
				t.Errorf("round %d: DELETE: status %d", round, response.StatusCode)
			}
			killer.count()
			return true
		}
	deleting:
		for study := range studies {
			if study%4 == 3 { // a study at once
				if !deleted("/studies/" + uidOf(round, study)) {
					break
				}
				for i := range each {
					gone[ct(round, study, i).uid()] = true
				}
				continue
			}
			for i := range each {
				m := ct(round, study, i)
				if !deleted("/studies/" + m.studyUID() + "/series/" + uidOf(round, study, 1) + "/instances/" + m.uid()) {
					break deleting
				}
				gone[m.uid()] = true
			}
		}
		killer.kill(t)
		s.run(t)
		found := s.uids(t, round)
		for study := range studies {
			there := s.study(t, uidOf(round, study))
			for i := range each {
				o := ct(round, study, i).object()
				file, ok := there[o.SOPInstanceUID]
				switch {
				case gone[o.SOPInstanceUID] && (ok || found[o.SOPInstanceUID]):
					t.Errorf("round %d: study %d instance %d was deleted and is back", round, study, i)
				case ok != found[o.SOPInstanceUID]:
					t.Errorf("round %d: study %d instance %d: retrieved %v, found %v", round, study, i, ok, !ok)
				case ok:
					o.same(t, "WADO after the crash", file)
				}
			}
		}
		t.Logf("round %d: %d deleted, %d left", round, len(gone), len(found))
		s.clear(t)
	}
	s.stop(t)
	s.fsck(t)
}
