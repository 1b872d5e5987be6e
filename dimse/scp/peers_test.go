package scp_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// run runs a peer's program and returns what it printed; it must succeed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, testkit.Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// freePort returns a port that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// startStorescp starts DCMTK's storage SCP and waits until it listens.
func startStorescp(t *testing.T, dir string) (addr string) {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command(testkit.Tool(t, "storescp"), "+xa", "+B", "-uf", "-od", dir, port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr = "127.0.0.1:" + port
	await(t, "storescp", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr
}

// await asks again and again whether a peer's process is ready.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(30 * time.Second); !ready(); {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s does not start", what)
		}
	}
}

// sameFiles holds Part 10 files that a peer wrote against the instances that were stored.
func sameFiles(t *testing.T, dir string, want map[string]instance) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{}, dicom.Limits{})
		if err != nil {
			t.Errorf("%s: %v", f.Name(), err)
			continue
		}
		in, ok := want[h.Dataset.UID(tag.SOPInstanceUID)]
		if !ok || h.TransferSyntax.UID != in.TransferSyntax || !bytes.Equal(b[h.DatasetOffset:], in.data) {
			t.Errorf("%s: not what was stored", f.Name())
		}
	}
}

// TestDCMTK does the day's work with DCMTK's programs, unmodified.
func TestDCMTK(t *testing.T) {
	t.Parallel()
	received := t.TempDir()
	addr, _ := serve(t, scp.Config{}, scp.Peers{"STORESCP": startStorescp(t, received)})
	host, port, _ := net.SplitHostPort(addr)
	run(t, "echoscu", "-aec", "AURELIUS", host, port)

	series := testkit.Testdata("first")
	want := map[string]instance{}
	paths, _ := filepath.Glob(filepath.Join(series, "*.dcm"))
	for _, path := range paths {
		in := fixture(t, path)
		want[in.SOPInstanceUID] = in
	}
	first := fixture(t, paths[0])
	ts, _ := dicom.LookupTransferSyntax(first.TransferSyntax)
	d, err := dicom.ParseDataset(first.data, ts)
	if err != nil {
		t.Fatal(err)
	}
	study, seriesUID := d.UID(tag.StudyInstanceUID), d.UID(tag.SeriesInstanceUID)

	run(t, "storescu", "-aec", "AURELIUS", "+sd", host, port, series)
	run(t, "dcmsend", "-aec", "AURELIUS", "+sd", host, port, series) // the same again is no error

	out := run(t, "findscu", "-aec", "AURELIUS", "-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", "StudyInstanceUID="+study,
		"-k", "SeriesInstanceUID="+seriesUID, "-k", "SOPInstanceUID", host, port)
	for sop := range want {
		if !strings.Contains(out, sop) {
			t.Errorf("findscu does not show %s", sop)
		}
	}
	out = run(t, "findscu", "-aec", "AURELIUS", "-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientName="+d.Text(tag.PatientName)[:3]+"*", "-k", "PatientID", host, port)
	if !strings.Contains(out, d.Text(tag.PatientID)) {
		t.Errorf("findscu does not show the patient:\n%s", out)
	}

	run(t, "movescu", "-aec", "AURELIUS", "-aem", "STORESCP", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID="+study, host, port)
	sameFiles(t, received, want)

	got := t.TempDir()
	run(t, "getscu", "-aec", "AURELIUS", "-S", "+B", "-od", got, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID="+study, host, port)
	sameFiles(t, got, want)
}

// TestPynetdicom has pynetdicom query, retrieve and cancel.
func TestPynetdicom(t *testing.T) {
	t.Parallel()
	tools := filepath.Join(testkit.Shared(t), "parts", "dicom-tools")
	if _, err := os.Stat(tools); err != nil {
		testkit.Missing(t, tools)
	}
	addr, _ := serve(t, scp.Config{}, nil)
	storeSeries(t, addr, 300)
	_, port, _ := net.SplitHostPort(addr)
	script := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, []byte(pynetdicomClient), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tools, "py", script, port)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &complaints)
	}
	want := "echo 0000\nfind 300 0000\ncancel True\nget 300 0000\n"
	if !strings.HasSuffix(string(out), want) {
		t.Errorf("pynetdicom says\n%s%s\nwant\n%s", out, &complaints, want)
	}
}

const pynetdicomClient = `
import sys
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (CTImageStorage, StudyRootQueryRetrieveInformationModelFind as FIND,
    StudyRootQueryRetrieveInformationModelGet as GET, Verification)

ae = AE(ae_title="PYNETDICOM")
for context in (Verification, FIND, GET, CTImageStorage):
    ae.add_requested_context(context)
received = []
def store(event):
    received.append(event.dataset.SOPInstanceUID)
    return 0
assoc = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="AURELIUS", evt_handlers=[(evt.EVT_C_STORE, store)],
    ext_neg=[build_role(CTImageStorage, scp_role=True)])
assert assoc.is_established
print("echo %04X" % assoc.send_c_echo().Status)
ds = Dataset()
ds.QueryRetrieveLevel = "IMAGE"
ds.StudyInstanceUID = "1.2.3"
ds.SeriesInstanceUID = "1.2.3.1"
ds.SOPInstanceUID = ""
n = 0
for status, match in assoc.send_c_find(ds, FIND):
    n += status.Status in (0xFF00, 0xFF01)
print("find %d %04X" % (n, status.Status))
n = 0
for status, match in assoc.send_c_find(ds, FIND, msg_id=7):
    n += 1
    if n == 3:
        assoc.send_c_cancel(7, query_model=FIND)
print("cancel %s" % (status.Status in (0xFE00, 0)))  # the answer may be out before the cancel comes
ds = Dataset()
ds.QueryRetrieveLevel = "STUDY"
ds.StudyInstanceUID = "1.2.3"
for status, _ in assoc.send_c_get(ds, GET):
    pass
print("get %d %04X" % (len(set(received)), status.Status))
assoc.release()
`

// TestOrthancMoves has Orthanc fetch from us by C-MOVE with itself as the destination, and us
// give to it: both sides' C-STORE.
func TestOrthancMoves(t *testing.T) {
	t.Parallel()
	orthanc := "/usr/sbin/Orthanc"
	if _, err := os.Stat(orthanc); err != nil {
		testkit.Missing(t, orthanc)
	}
	dir := t.TempDir()
	dicomPort, httpPort := freePort(t), freePort(t)
	addr, _ := serve(t, scp.Config{}, scp.Peers{"ORTHANC": "127.0.0.1:" + dicomPort})
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(dir, "orthanc.json")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{"StorageDirectory": %q, "IndexDirectory": %q, "DicomPort": %s, "HttpPort": %s,
		"DicomAet": "ORTHANC", "RemoteAccessAllowed": false, "AuthenticationEnabled": false, "Plugins": [],
		"DicomModalities": {"us": ["AURELIUS", "127.0.0.1", %s]}}`, dir, dir, dicomPort, httpPort, port), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(orthanc, config)
	cmd.Env = append(os.Environ(), "TCP_NODELAY=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	rest := orthancREST{t: t, base: "http://127.0.0.1:" + httpPort}
	await(t, "Orthanc", rest.ready)

	storeSeries(t, addr, 5)
	query := rest.post("/modalities/us/query", `{"Level": "Study", "Query": {"StudyInstanceUID": "1.2.3"}}`)
	rest.post(fmt.Sprint(query["Path"], "/retrieve"), `{"TargetAet": "ORTHANC", "Synchronous": true}`)
	if n := len(rest.list("/instances")); n != 5 {
		t.Errorf("Orthanc has %d instances after its C-MOVE from us, want 5", n)
	}
}
