package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// The tools of dicom-rs are not among these peers: building them takes 25 minutes.

// series is a small study to send around, in several transfer syntaxes.
func series(t *testing.T) (dir string, objects []object) {
	t.Helper()
	dir = t.TempDir()
	for i := range 5 {
		objects = append(objects, ct(1, 1, i+1).object())
	}
	objects = append(objects, corpus(t, func(path string) bool {
		switch path {
		case "ct-series/head-108/054.dcm", "syntaxes/mr-all/j2k-lossless.dcm", "multiframe/us-34-jpeg.dcm", "derived/sr/basic-text.dcm":
			return true
		}
		return strings.HasPrefix(path, "mr-series/brain-16/")
	})...)
	for i, o := range objects {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.dcm", i)), o.file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, objects
}

// files reads a folder of Part 10 files by SOP Instance UID.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if datasetOffset(b) > 0 {
			out[metaUID(b)] = b
		}
	}
	return out
}

// holds demands that the server has all objects, as they were sent.
func (s *server) holds(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range objects {
		resource, _ := s.find(t, o.SOPInstanceUID)
		if resource == "" {
			t.Errorf("%s: not found", o.name)
			continue
		}
		o.same(t, "WADO", s.wado(t, resource))
	}
}

// arrived demands that all objects are there with their pixels; a peer's toolkit may have encoded
// the rest of the data set anew.
func (s *server) arrived(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range objects {
		resource, _ := s.find(t, o.SOPInstanceUID)
		if resource == "" {
			t.Errorf("%s: not found", o.name)
			continue
		}
		if file := s.wado(t, resource); o.frames > 0 && !bytes.Contains(file, pixels(o)) {
			t.Errorf("%s: its pixels are not there", o.name)
		}
	}
}

// pixels is a good piece of an object's pixel data.
func pixels(o object) []byte {
	if len(o.file) < 8<<10 {
		return o.file[len(o.file)-512:]
	}
	return o.file[len(o.file)-4<<10 : len(o.file)-512]
}

// same demands files that are the server's own, byte for byte.
func (s *server) same(t *testing.T, how string, got map[string][]byte, objects []object) {
	t.Helper()
	if len(got) != len(objects) {
		t.Errorf("%s: %d instances came, want %d", how, len(got), len(objects))
	}
	for _, o := range objects {
		resource, _ := s.find(t, o.SOPInstanceUID)
		if file, ok := got[o.SOPInstanceUID]; ok && resource != "" {
			stored := s.wado(t, resource)
			o.file, o.begin = stored, datasetOffset(stored)
			o.same(t, how, file)
		}
	}
}

func TestDCMTK(t *testing.T) {
	t.Parallel()
	dir, objects := series(t)
	moves := freePort(t)
	_, movePort, _ := net.SplitHostPort(moves)
	s := start(t, "--peer", "MOVESCU="+moves)
	tool(t, "echoscu", "127.0.0.1", s.port())
	tool(t, "dcmsend", "+sd", "+ma", "127.0.0.1", s.port(), dir)
	s.arrived(t, objects)
	made := objects[:5] // storescu offers one kind of transfer syntax at a time
	s.remove(t, made[0].SOPInstanceUID)
	tool(t, "storescu", "-R", "127.0.0.1", s.port(), filepath.Join(dir, "000.dcm"), filepath.Join(dir, "001.dcm"))
	s.arrived(t, objects)

	for level, c := range map[string]struct {
		keys []string
		want int
	}{
		"PATIENT": {[]string{"PatientID=E2E-1", "PatientName"}, 1},
		"STUDY":   {[]string{"PatientID=E2E-1", "StudyInstanceUID", "StudyDate=20260101-"}, 1},
		"SERIES":  {[]string{"StudyInstanceUID=" + made[0].StudyInstanceUID, "SeriesInstanceUID"}, 1},
		"IMAGE":   {[]string{"StudyInstanceUID=" + made[0].StudyInstanceUID, "SeriesInstanceUID=" + uidOf(1, 1, 1), "SOPInstanceUID"}, 5},
	} {
		model := "-S"
		if level == "PATIENT" {
			model = "-P"
		}
		out := t.TempDir()
		args := []string{model, "-X", "-od", out, "-k", "QueryRetrieveLevel=" + level}
		for _, k := range c.keys {
			args = append(args, "-k", k)
		}
		tool(t, "findscu", append(args, "127.0.0.1", s.port())...)
		if answers, _ := filepath.Glob(filepath.Join(out, "rsp*.dcm")); len(answers) != c.want {
			t.Errorf("findscu at %s: %d answers, want %d", level, len(answers), c.want)
		}
	}

	study := []string{"-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=" + made[0].StudyInstanceUID}
	out := t.TempDir()
	tool(t, "getscu", append([]string{"-S", "+B", "-od", out, "127.0.0.1", s.port()}, study...)...)
	s.same(t, "getscu", files(t, out), made)
	out = t.TempDir()
	movescu := func(out string, args ...string) {
		// With +B it forgets its -od: what it is sent goes to its working directory.
		cmd := exec.Command(testkit.Tool(t, "movescu"), append(args, "-S", "+B", "-aem", "MOVESCU", "+P", movePort, "127.0.0.1", s.port())...)
		cmd.Dir = out
		if printed, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("movescu: %v: %s", err, tail(string(printed), 2000))
		}
	}
	movescu(out, study...)
	s.same(t, "movescu", files(t, out), made)

	// Everything of the other studies, in the transfer syntaxes it is stored in.
	byStudy := map[string][]object{}
	for _, o := range objects[5:] {
		byStudy[o.StudyInstanceUID] = append(byStudy[o.StudyInstanceUID], o)
	}
	for uid, of := range byStudy {
		out := t.TempDir()
		movescu(out, "+xa", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID="+uid)
		s.same(t, "movescu +xa", files(t, out), of)
	}
	if out, err := try(t, "movescu", append([]string{"-S", "-aem", "NOBODY", "+P", "0", "127.0.0.1", s.port()}, study...)...); err == nil && !strings.Contains(out, "0xa801") && !strings.Contains(out, "MoveDestinationUnknown") {
		t.Errorf("movescu to an unknown destination: %s", tail(out, 500))
	}
}

// TestCancel has DCMTK cancel a C-FIND, and our client a C-MOVE, in the middle.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var came atomic.Int32
	d := newDestination(t, func() { // a slow one, so that the cancel is not too late
		if came.Add(1) == 5 {
			cancel()
		}
		time.Sleep(5 * time.Millisecond)
	})
	s := start(t, "--peer", "DEST="+d.address)
	const total = 600
	var all []object
	for i := range total {
		all = append(all, ct(1, 1, i).object())
	}
	if answer := s.stow(t, all...); answer.status != http.StatusOK || len(answer.stored) != total {
		t.Fatalf("status %d, %d stored", answer.status, len(answer.stored))
	}
	out := t.TempDir()
	printed := tool(t, "findscu", "-v", "-S", "-X", "-od", out, "--cancel", "5", "127.0.0.1", s.port(), "-k", "QueryRetrieveLevel=IMAGE",
		"-k", "StudyInstanceUID="+uidOf(1, 1), "-k", "SeriesInstanceUID="+uidOf(1, 1, 1), "-k", "SOPInstanceUID")
	// Whether the last answer says cancelled depends on who was faster; the association must last.
	if answers, _ := filepath.Glob(filepath.Join(out, "rsp*.dcm")); len(answers) < 5 || !strings.Contains(printed, "Releasing Association") {
		t.Errorf("%d answers: %s", len(answers), tail(printed, 500))
	}
	n, err := cancelMove(ctx, s.dimse, uidOf(1, 1))
	if !errs.Is(err, errs.Canceled) || n >= total || int(came.Load()) >= total {
		t.Errorf("C-MOVE: %d sent, %d came, %v", n, came.Load(), err)
	}
	if rsp := s.cstore(t, ct(2, 1, 1).object()); rsp.status != 0 {
		t.Error(rsp)
	}
}

// python runs a script of testdata with the peers' Python.
func python(t *testing.T, script string, args ...string) {
	t.Helper()
	parts := filepath.Join(testkit.Shared(t), "parts", "dicom-tools")
	path := filepath.Join(testkit.Root(), "e2e", "testdata", script)
	out, err := runFor(t, 3*time.Minute, parts, append([]string{"py", path}, args...)...)
	if err != nil {
		t.Errorf("%s: %v\n%s", script, err, tail(out, 3000))
	}
}

func TestPynetdicom(t *testing.T) {
	t.Parallel()
	dir, objects := series(t)
	moves := freePort(t)
	_, movePort, _ := net.SplitHostPort(moves)
	s := start(t, "--peer", "PYNET="+moves)
	python(t, "pynetdicom_peer.py", s.port(), movePort, dir)
	s.arrived(t, objects)
}

func TestDICOMwebClient(t *testing.T) {
	t.Parallel()
	dir, objects := series(t)
	s := start(t)
	python(t, "dicomweb_peer.py", "http://"+s.http+"/dicom-web", dir)
	s.arrived(t, objects)
}

// orthanc is a running Orthanc.
type orthanc struct{ rest, dimse string }

// startOrthanc starts one that knows the server as AURELIUS, on ports that were chosen before.
func startOrthanc(t *testing.T, dimse string, s *server) *orthanc {
	t.Helper()
	script := filepath.Join(testkit.Shared(t), "parts", "orthanc")
	o := &orthanc{rest: freePort(t), dimse: dimse}
	_, port, _ := net.SplitHostPort(o.rest)
	_, dicomPort, _ := net.SplitHostPort(o.dimse)
	run := func(verb string) ([]byte, error) {
		cmd := exec.Command(script, verb)
		cmd.Env = append(os.Environ(), "PARTS_HOME="+filepath.Join(s.data, "..", "parts"), "INSTANCE=e2e-"+dicomPort, "PORT="+port,
			"DICOM_PORT="+dicomPort, "TCP_NODELAY=1", "ORTHANC_PEERS=AURELIUS:"+s.dimse)
		return cmd.CombinedOutput()
	}
	out, err := run("start")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		testkit.Missing(t, "Orthanc")
	}
	if err != nil {
		t.Fatalf("orthanc: %v\n%s", err, tail(string(out), 2000))
	}
	t.Cleanup(func() { _, _ = run("stop") })
	return o
}

// call asks Orthanc's REST interface and decodes its answer into into.
func (o *orthanc) call(t *testing.T, method, path string, body []byte, into any) {
	t.Helper()
	request, err := http.NewRequest(method, "http://"+o.rest+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("orthanc: %s %s: status %d, %v: %s", method, path, response.StatusCode, err, tail(string(b), 500))
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatalf("orthanc: %s: %v: %s", path, err, tail(string(b), 300))
		}
	}
}

func TestOrthanc(t *testing.T) {
	t.Parallel()
	_, objects := series(t)
	address := freePort(t)
	s := startOn(t, filepath.Join(t.TempDir(), "data"), "--peer", "ORTHANC="+address)
	o := startOrthanc(t, address, s)
	instances := func() (ids []string) {
		o.call(t, http.MethodGet, "/instances", nil, &ids)
		return ids
	}
	for _, object := range objects {
		o.call(t, http.MethodPost, "/instances", object.file, nil)
	}
	ids := instances()
	if len(ids) != len(objects) {
		t.Fatalf("orthanc took %d of %d", len(ids), len(objects))
	}
	all, _ := json.Marshal(ids)

	// Orthanc to us, by C-STORE and by STOW.
	o.call(t, http.MethodPost, "/modalities/aurelius/echo", []byte("{}"), nil)
	o.call(t, http.MethodPost, "/modalities/aurelius/store", all, nil)
	s.arrived(t, objects)
	s.clear(t)
	o.call(t, http.MethodPut, "/dicom-web/servers/aurelius", fmt.Appendf(nil, `{"Url": "http://%s/dicom-web"}`, s.http), nil)
	o.call(t, http.MethodPost, "/dicom-web/servers/aurelius/stow", fmt.Appendf(nil, `{"Resources": %s}`, all), nil)
	s.holds(t, objects)

	// Orthanc asks us to move studies to it.
	remove := func() {
		for _, id := range instances() {
			o.call(t, http.MethodDelete, "/instances/"+id, nil, nil)
		}
	}
	remove()
	var query struct{ ID string }
	o.call(t, http.MethodPost, "/modalities/aurelius/query", []byte(`{"Level": "Study", "Query": {"PatientName": "*"}}`), &query)
	o.call(t, http.MethodPost, "/queries/"+query.ID+"/retrieve", []byte(`{"TargetAet": "ORTHANC", "Synchronous": true}`), nil)
	if n := len(instances()); n != len(objects) {
		t.Errorf("C-MOVE to Orthanc brought %d of %d", n, len(objects))
	}

	// We ask Orthanc to move them to us.
	s.clear(t)
	moved := map[string]bool{}
	for _, object := range objects {
		if !moved[object.StudyInstanceUID] {
			moved[object.StudyInstanceUID] = true
			tool(t, "movescu", "-S", "-aec", "ORTHANC", "-aem", "AURELIUS", "127.0.0.1", address[strings.LastIndexByte(address, ':')+1:],
				"-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID="+object.StudyInstanceUID)
		}
	}
	s.arrived(t, objects)

	// Our own client does the same.
	s.clear(t)
	for uid := range moved {
		if err := moveStudy(t, address, "ORTHANC", uid, "AURELIUS"); err != nil {
			t.Errorf("C-MOVE of %s: %v", uid, err)
		}
	}
	s.arrived(t, objects)
}
