package dimse_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// run runs a peer's program and returns what it said and how long it took.
func run(t testing.TB, name string, args ...string) (string, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	start := time.Now()
	out, err := exec.CommandContext(ctx, testkit.Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), time.Since(start)
}

func hostPort(t testing.TB, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// anyStorage accepts every class and counts the bytes of what is stored.
func anyStorage(c *dimse.Config) {
	c.MaxPDU = 0
	c.Contexts.Match = func(string) (dimse.Service, bool) { return dimse.Service{PeerSCP: true}, true }
	discard := func(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		if _, err := io.Copy(io.Discard, r.Data); err == nil {
			_ = w.Respond(dimse.StatusSuccess)
		}
	}
	m := c.Handler.(*dimse.Mux)
	m.HandleFunc(dimse.CStoreRQ, discard)
	m.HandleFunc(dimse.CStoreRQ, discard, ctImage)
}

func TestDCMTKEcho(t *testing.T) {
	t.Parallel()
	host, port := hostPort(t, newServer(t, nil).addr)
	run(t, "echoscu", "-aec", "AURELIUS", "--repeat", "5", host, port)
	run(t, "echoscu", "--abort", host, port)
	run(t, "echoscu", "--propose-ts", "8", "--propose-pc", "128", host, port)
}

func TestDCMTKCancel(t *testing.T) {
	t.Parallel()
	ts := newServer(t, nil)
	host, port := hostPort(t, ts.addr)
	dir := t.TempDir()
	query := filepath.Join(dir, "query.dcm")
	if err := os.WriteFile(filepath.Join(dir, "query.dump"), []byte("(0008,0052) CS [STUDY]\n(0020,000d) UI []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "dump2dcm", filepath.Join(dir, "query.dump"), query)
	run(t, "findscu", "-S", "-xi", "--cancel", "1", host, port, query)
	if err := <-ts.found; err != dimse.ErrCanceled {
		t.Errorf("cause %v", err)
	}
}

// plainListener hides that connections are TCP, so that the server cannot ask for quick
// acknowledgement.
type plainListener struct{ net.Listener }

type plainConn struct{ net.Conn }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plainConn{c}, nil
}

// TestStockSender sends with DCMTK as it is installed, Nagle's algorithm on, to a server that
// acknowledges at once and to one that leaves that to the kernel. Where the stall of 40 ms for
// each instance shows, quick acknowledgement must be many times faster.
func TestStockSender(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const instances = 25
	slice := filepath.Join(t.TempDir(), "slice.dcm")
	run(t, "dcmdjpeg", filepath.Join(testkit.Shared(t), "data", "ct-series", "head-108", "054.dcm"), slice)
	files := make([]string, instances)
	for i := range files {
		files[i] = slice
	}
	send := func(addr string) time.Duration {
		host, port := hostPort(t, addr)
		_, took := run(t, "storescu", append([]string{host, port}, files...)...)
		return took
	}
	quick := newServer(t, anyStorage)
	slow := newServer(t, anyStorage)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- slow.Serve(ctx, plainListener{l}) }()
	t.Cleanup(func() { cancel(); <-done })

	fast, stalled := send(quick.addr), send(l.Addr().String())
	for range 4 { // neighbours on the machine make single rounds slow
		if fast*3 <= stalled {
			break
		}
		fast, stalled = min(fast, send(quick.addr)), min(stalled, send(l.Addr().String()))
	}
	t.Logf("%d instances: %v with quick acknowledgement, %v without", instances, fast, stalled)
	if stalled < instances*8*time.Millisecond {
		t.Skip("the stall does not show on this machine")
	}
	if fast*3 > stalled {
		t.Errorf("only %.1f times faster", float64(stalled)/float64(fast))
	}
}

func TestPynetdicom(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	tools := filepath.Join(testkit.Shared(t), "parts", "dicom-tools")
	ts := newServer(t, anyStorage)
	host, port := hostPort(t, ts.addr)
	script := filepath.Join(t.TempDir(), "scu.py")
	if err := os.WriteFile(script, []byte(pynetdicomSCU), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tools, "py", script, host, port).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"echo 0x0000", "store 0x0000", "roles True True", "identity accepted", "window 4", "find 0xff00", "find 0xfe00", "released"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

const pynetdicomSCU = `
import sys
from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE, build_role
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation, UserIdentityNegotiation
from pynetdicom.sop_class import Verification, CTImageStorage, StudyRootQueryRetrieveInformationModelFind as Find
ae = AE(ae_title='PYNETDICOM')
ae.add_requested_context(Verification)
ae.add_requested_context(CTImageStorage, ['1.2.840.10008.1.2.1'])
ae.add_requested_context(Find, ['1.2.840.10008.1.2'])
window = AsynchronousOperationsWindowNegotiation()
window.maximum_number_operations_invoked = 4
window.maximum_number_operations_performed = 1
user = UserIdentityNegotiation()
user.user_identity_type = 2
user.primary_field = b'someone'
user.secondary_field = b'secret'
user.positive_response_requested = True
a = ae.associate(sys.argv[1], int(sys.argv[2]), ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True), window, user])
assert a.is_established
print('echo 0x%04X' % a.send_c_echo().Status)
ds = Dataset()
ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, '1.2.3'
ds.PatientName = 'x' * 100000
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = '1.2.840.10008.1.2.1'
print('store 0x%04X' % a.send_c_store(ds).Status)
for c in a.accepted_contexts:
    if c.abstract_syntax == CTImageStorage:
        print('roles', c.as_scu, c.as_scp)
for item in a.acceptor.user_information:
    if type(item).__name__ == 'UserIdentityNegotiation':
        print('identity accepted')
    if type(item).__name__ == 'AsynchronousOperationsWindowNegotiation':
        print('window', item.maximum_number_operations_invoked)
q = Dataset()
q.QueryRetrieveLevel = 'STUDY'
for status, _ in a.send_c_find(q, Find, msg_id=5):
    print('find 0x%04x' % status.Status)
    a.send_c_cancel(5, query_model=Find)
a.release()
print('released' if a.is_released else 'not released')
`
