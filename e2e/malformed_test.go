package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// verdict is what a door must say to a damaged object.
type verdict int

const (
	either verdict = iota // refused, or kept as it came
	refuse
	accept
)

// verdicts is the manifest's `expect` in this vocabulary, where it leaves no choice.
func verdictOf(o object) verdict {
	switch {
	case strings.HasPrefix(o.expect, "accept or refuse"), strings.Contains(o.expect, " or accept"), strings.Contains(o.expect, "or fail cleanly"):
		return either
	case strings.HasPrefix(o.expect, "refuse (") || strings.HasPrefix(o.expect, "refuse "):
		if strings.Contains(o.expect, "store safely") {
			return either
		}
		return refuse
	case strings.HasPrefix(o.expect, "accept"):
		return accept
	}
	return either
}

// TestMalformed sends every damaged file of the corpus in by both doors. What a door accepts must
// come back byte for byte, and every answer about it must be a clean one.
func TestMalformed(t *testing.T) {
	t.Parallel()
	objects := corpus(t, func(path string) bool { return strings.HasPrefix(path, "malformed/") })
	doors := map[string]func(testing.TB, *server, object) (accepted bool){
		"C-STORE": malformedStore,
		"STOW":    malformedSTOW,
	}
	for door, send := range doors {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			// Two folders deep, so that a path in a UID has somewhere to escape to.
			outside := t.TempDir()
			s := startOn(t, filepath.Join(outside, "a", "b"))
			for _, o := range objects {
				s.clear(t)
				accepted := send(t, s, o)
				switch want := verdictOf(o); {
				case want == refuse && accepted:
					t.Errorf("%s: accepted; the manifest says %q", o.name, o.expect)
				case want == accept && !accepted:
					t.Errorf("%s: refused; the manifest says %q", o.name, o.expect)
				}
				checkKept(t, s, o, accepted)
				if !s.answers() {
					t.Fatalf("%s: the server does not answer any more", o.name)
				}
			}
			if peak := s.peakRSS(t); peak > 256<<20 {
				t.Errorf("peak memory %d MiB", peak>>20)
			}
			if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
				t.Errorf("files outside the data directory: %v %v", entries, err)
			}
			s.stop(t)
			s.fsck(t)
		})
	}
}

func malformedStore(t testing.TB, s *server, o object) bool {
	t.Helper()
	// A sender announces what the data set says; the manifest's parser did not always find it.
	o.SOPClassUID = announced(o, 0x16, cmp.Or(o.SOPClassUID, ctStorage))
	o.SOPInstanceUID = announced(o, 0x18, cmp.Or(o.SOPInstanceUID, uidOf(9, 9, 9)))
	if o.transferSyntax == "" {
		o.transferSyntax = implicitLE
		if d := o.file[o.begin:]; len(d) > 6 && d[4] >= 'A' && d[4] <= 'Z' && d[5] >= 'A' && d[5] <= 'Z' {
			o.transferSyntax = explicitLE
		}
	}
	rsp := s.cstore(t, o)
	if rsp.status == 0x0110 || !rsp.stored() && !failure(rsp.status) {
		t.Errorf("%s: C-STORE status %v", o.name, rsp)
	}
	if strings.ContainsAny(rsp.comment, "/^") {
		t.Errorf("%s: the comment shows more than it should: %q", o.name, rsp.comment)
	}
	return rsp.stored()
}

// announced reads SOP Class UID (0008,0016) or SOP Instance UID (0008,0018) off the first bytes of
// an explicit little endian data set.
func announced(o object, element byte, otherwise string) string {
	b := o.file[o.begin:min(len(o.file), o.begin+2000)]
	at := bytes.Index(b, []byte{8, 0, element, 0, 'U', 'I'})
	if at < 0 || at+8 > len(b) {
		return otherwise
	}
	n := int(b[at+6])
	if n == 0 || at+8+n > len(b) {
		return otherwise
	}
	return strings.TrimRight(string(b[at+8:at+8+n]), "\x00 ")
}

// failure reports whether the status is one of C-STORE's failures that blame the object.
func failure(status uint16) bool {
	return status&0xF000 == 0xC000 || status&0xFF00 == 0xA900 || status == 0x0122 || status == 0x0117 || status&0xFF00 == 0xA700
}

func malformedSTOW(t testing.TB, s *server, o object) bool {
	t.Helper()
	answer := s.stow(t, o)
	switch answer.status {
	case http.StatusOK, http.StatusAccepted:
		return true
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
	default:
		t.Errorf("%s: STOW status %d: %s", o.name, answer.status, tail(answer.body, 300))
	}
	return false
}

// checkKept looks at what is in the server after the only store: nothing, or the object whole.
func checkKept(t *testing.T, s *server, o object, accepted bool) {
	t.Helper()
	found := s.search(t, "/instances?limit=10")
	if !accepted {
		if len(found) != 0 {
			t.Errorf("%s: refused, and yet it is there", o.name)
		}
		return
	}
	if len(found) != 1 {
		t.Errorf("%s: accepted, and found %d times", o.name, len(found))
		return
	}
	resource := s.resource(t, found[0])
	file := s.wado(t, resource)
	if begin := datasetOffset(file); o.begin > 0 {
		o.sameData(t, "WADO", file[begin:])
	} else if len(file) < len(o.file) {
		t.Errorf("%s: WADO gave %d bytes, want %d", o.name, len(file), len(o.file))
	}
	status, _, body := s.get(t, resource+"/metadata", "Accept", "application/dicom+json")
	if status != http.StatusOK || !json.Valid(body) || !utf8.Valid(body) {
		t.Errorf("%s: metadata: status %d: %s", o.name, status, tail(string(body), 200))
	}
	for _, path := range []string{"/frames/1", "/frames/2", "/frames/999999999"} {
		status, _, body := s.get(t, resource+path)
		if status >= 500 || status != http.StatusOK && len(body) > 4<<10 {
			t.Errorf("%s: %s: status %d: %s", o.name, path, status, tail(string(body), 200))
		}
	}
	for _, query := range []string{"/studies?StudyDate=19000101-20991231", "/instances?PatientName=*", "/studies?includefield=all"} {
		if status, _, body := s.get(t, query); status != http.StatusOK && status != http.StatusNoContent || !utf8.Valid(body) {
			t.Errorf("%s: %s: status %d: %s", o.name, query, status, tail(string(body), 200))
		}
	}
}

// resource is where a match of an instance can be retrieved: its Retrieve URL, below the root.
func (s *server) resource(t testing.TB, match dicomJSON) string {
	t.Helper()
	u, err := url.Parse(match.text("00081190"))
	if err != nil || !strings.HasPrefix(u.EscapedPath(), "/dicom-web/studies/") {
		t.Errorf("Retrieve URL %q", match.text("00081190"))
		return "/studies/none"
	}
	return strings.TrimPrefix(u.EscapedPath(), "/dicom-web")
}

// clear deletes everything.
func (s *server) clear(t testing.TB) {
	t.Helper()
	for _, study := range s.search(t, "/studies?limit=1000") {
		status, _, body := s.request(t, http.MethodDelete, s.resource(t, study), nil)
		if status/100 != 2 {
			t.Fatalf("DELETE: status %d: %s", status, tail(string(body), 300))
		}
	}
}

// peakRSS returns the most memory the process ever held.
func (s *server) peakRSS(t testing.TB) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// fsck checks the data of a server that has ended, every object against its checksum.
func (s *server) fsck(t testing.TB) {
	t.Helper()
	out, err := runFor(t, 2*time.Minute, built(t), "fsck", "--data", s.data, "--verify")
	if err != nil {
		t.Errorf("fsck: %v\n%s", err, tail(out, 2000))
	}
}
