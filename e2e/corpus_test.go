package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
)

// valid are the corpus' files that are DICOM objects.
func valid(path string) bool {
	for _, not := range []string{"malformed/", "dicomdir/", "fhir/", "worklist/queries/", "worklist/sequences/", "wsi/source/"} {
		if strings.HasPrefix(path, not) {
			return false
		}
	}
	return true
}

// nameless have no SOP Instance UID or no Study Instance UID, both of type 1 and what an archive
// files by: they are refused, by both doors.
var nameless = map[string]bool{
	"syntaxes/htj2k/rgb-201": true, "syntaxes/htj2k/rgb-203": true, "wsi/sample-3175": true,
	"charsets/sequence-own-charset-ir87": true, "charsets/sequence-own-charset-utf8": true,
	"syntaxes/edge/bits-allocated-12": true, "syntaxes/edge/sv1-16bit-sc": true,
}

// TestCorpus sends every object of the corpus in, by C-STORE to one server and by STOW to
// another, and wants its data set back byte for byte: by WADO-RS, by C-GET and by C-MOVE.
func TestCorpus(t *testing.T) {
	t.Parallel()
	objects := corpus(t, valid)
	if len(objects) < 500 {
		t.Fatalf("%d objects: the corpus has more", len(objects))
	}
	for door, send := range map[string]func(*testing.T, *server, object) bool{
		"C-STORE": corpusStore,
		"STOW":    corpusSTOW,
	} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			destination := newDestination(t)
			s := start(t, "--peer", "DEST="+destination.address)
			seen := map[string]bool{}
			n := 0
			for _, o := range objects {
				// Some objects share a UID: the one before makes room.
				if seen[o.SOPInstanceUID] {
					s.remove(t, o.SOPInstanceUID)
				}
				if !send(t, s, o) {
					continue
				}
				seen[o.SOPInstanceUID] = true
				s.checkBack(t, o, destination)
				n++
			}
			t.Logf("%d objects went in by %s and came back by WADO-RS, C-GET and C-MOVE", n, door)
			if n < 500 {
				t.Errorf("only %d objects went in", n)
			}
			s.stop(t)
			s.fsck(t)
		})
	}
}

func corpusStore(t *testing.T, s *server, o object) bool {
	t.Helper()
	if o.transferSyntax == "" {
		o.transferSyntax = implicitLE
	}
	if nameless[o.name] {
		o.SOPClassUID, o.SOPInstanceUID = cmp.Or(o.SOPClassUID, ctStorage), cmp.Or(o.SOPInstanceUID, uidOf(9, 9, 9))
		if rsp := s.cstore(t, o); rsp.stored() {
			t.Errorf("%s: stored without a UID", o.name)
		}
		return false
	}
	if rsp := s.cstore(t, o); rsp.status != 0 {
		t.Errorf("%s: %v", o.name, rsp)
		return false
	}
	return true
}

func corpusSTOW(t *testing.T, s *server, o object) bool {
	t.Helper()
	answer := s.stow(t, o)
	switch {
	case nameless[o.name]:
		if answer.status != http.StatusConflict && answer.status != http.StatusBadRequest {
			t.Errorf("%s: without a UID: status %d", o.name, answer.status)
		}
		return false
	case o.begin == 0 && (answer.status == http.StatusConflict || answer.status == http.StatusBadRequest):
		return false // no Part 10 file (PS3.10 7.1)
	case answer.status != http.StatusOK || !answer.stored[o.SOPInstanceUID]:
		t.Errorf("%s: status %d: %s", o.name, answer.status, tail(answer.body, 400))
		return false
	}
	return true
}

func (s *server) remove(t testing.TB, SOPInstanceUID string) {
	t.Helper()
	resource, _ := s.find(t, SOPInstanceUID)
	if resource == "" {
		return
	}
	if status, _, body := s.request(t, http.MethodDelete, resource, nil); status/100 != 2 {
		t.Errorf("DELETE %s: status %d: %s", SOPInstanceUID, status, tail(string(body), 300))
	}
	if resource, _ := s.find(t, SOPInstanceUID); resource != "" {
		t.Errorf("%s is deleted and is still found", SOPInstanceUID)
	}
}

// checkBack retrieves an object every way there is.
func (s *server) checkBack(t *testing.T, o object, destination *destination) {
	t.Helper()
	if o.transferSyntax == "" {
		o.transferSyntax = implicitLE
	}
	resource, match := s.find(t, o.SOPInstanceUID)
	if resource == "" {
		t.Errorf("%s: QIDO does not find it", o.name)
		return
	}
	if match.text("0020000D") != o.StudyInstanceUID || match.text("00080016") != o.SOPClassUID {
		t.Errorf("%s: QIDO says study %s, class %s", o.name, match.text("0020000D"), match.text("00080016"))
	}
	o.same(t, "WADO", s.wado(t, resource))
	if o.frames > 0 {
		s.checkFrames(t, o, resource)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	identifier := &dicom.Dataset{}
	identifier.SetText(tag.QueryRetrieveLevel, "IMAGE")
	identifier.SetUID(tag.StudyInstanceUID, match.text("0020000D"))
	identifier.SetUID(tag.SeriesInstanceUID, match.text("0020000E"))
	identifier.SetUID(tag.SOPInstanceUID, o.SOPInstanceUID)
	if data, err := s.cget(ctx, o, identifier); err != nil {
		t.Errorf("%s: C-GET: %v", o.name, err)
	} else {
		o.sameMessage(t, "C-GET", data)
	}
	got, err := s.cmove(ctx, o, identifier, destination)
	if err != nil {
		t.Errorf("%s: C-MOVE: %v", o.name, err)
		return
	}
	o.sameMessage(t, "C-MOVE", got.data)
	if got.transferSyntax != o.transferSyntax || got.SOPClassUID != o.SOPClassUID {
		t.Errorf("%s: C-MOVE sent it as %s in %s", o.name, got.SOPClassUID, got.transferSyntax)
	}
}

// checkFrames asks for the last frame and the one behind it.
func (s *server) checkFrames(t *testing.T, o object, resource string) {
	t.Helper()
	status, header, body := s.get(t, fmt.Sprintf("%s/frames/%d", resource, o.frames), "Accept", `multipart/related; type="*/*"; transfer-syntax=*`)
	if status != http.StatusOK {
		t.Errorf("%s: frame %d: status %d: %s", o.name, o.frames, status, tail(string(body), 300))
	} else if p := parts(t, header, body); len(p) != 1 || len(p[0].body) == 0 {
		t.Errorf("%s: frame %d: %d parts", o.name, o.frames, len(p))
	}
	if status, _, _ := s.get(t, fmt.Sprintf("%s/frames/%d", resource, o.frames+1)); status != http.StatusNotFound {
		t.Errorf("%s: frame %d of %d: status %d, want 404", o.name, o.frames+1, o.frames, status)
	}
}

// sameMessage is sameData for what came by DIMSE: the fragments of a message have even length, so
// that a data set of odd length (deflated, or broken) gets a NUL (PS3.5 A.5).
func (o object) sameMessage(t *testing.T, how string, data []byte) {
	t.Helper()
	if want := len(o.file) - o.begin; want%2 == 1 && len(data) == want+1 && data[want] == 0 {
		data = data[:want]
	}
	o.sameData(t, how, data)
}

func (s *server) cget(ctx context.Context, o object, identifier *dicom.Dataset) (data []byte, err error) {
	client, err := scu.Dial(ctx, s.dimse, scu.Config{CallingAE: "E2E", StoreRoles: []string{o.SOPClassUID}, Contexts: []dimse.Proposal{
		{AbstractSyntax: scu.StudyRootGet, TransferSyntaxes: []string{explicitLE, implicitLE}},
		{AbstractSyntax: o.SOPClassUID, TransferSyntaxes: []string{o.transferSyntax}},
	}})
	if err != nil {
		return nil, err
	}
	n := 0
	result, err := client.Get(ctx, scu.StudyRootGet, identifier, func(_ context.Context, r scu.Received) dimse.Status {
		n++
		if data, err = io.ReadAll(r.Data); err != nil || r.SOPInstanceUID != o.SOPInstanceUID || r.TransferSyntaxUID != o.transferSyntax {
			return dimse.StatusCannotUnderstand
		}
		return dimse.StatusSuccess
	}, nil)
	if err != nil {
		_ = client.Abort()
		return nil, err
	}
	if n != 1 || result.Counters.Completed != 1 {
		err = fmt.Errorf("%d instances came, counters %+v", n, result.Counters)
	}
	return data, errors.Join(err, client.Release(ctx))
}

func (s *server) cmove(ctx context.Context, o object, identifier *dicom.Dataset, d *destination) (received, error) {
	client, err := scu.Dial(ctx, s.dimse, scu.Config{CallingAE: "E2E", Contexts: []dimse.Proposal{
		{AbstractSyntax: scu.StudyRootMove, TransferSyntaxes: []string{implicitLE}},
	}})
	if err != nil {
		return received{}, err
	}
	result, err := client.Move(ctx, scu.StudyRootMove, identifier, "DEST", nil)
	if err != nil {
		_ = client.Abort()
		return received{}, fmt.Errorf("%w (counters %+v)", err, result.Counters)
	}
	got, ok := d.take(o.SOPInstanceUID)
	if !ok || result.Counters.Completed != 1 {
		err = fmt.Errorf("arrived: %v, counters %+v", ok, result.Counters)
	}
	return got, errors.Join(err, client.Release(ctx))
}

// destination is a storage SCP in this process that keeps what it is sent.
type destination struct {
	address string
	each    func() // when not nil, called for each instance before it is answered
	mu      sync.Mutex
	got     map[string]received
}

type received struct {
	SOPClassUID, transferSyntax string
	data                        []byte
}

func newDestination(t *testing.T, each ...func()) *destination {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &destination{address: l.Addr().String(), got: map[string]received{}}
	if len(each) > 0 {
		d.each = each[0]
	}
	contexts := &dimse.Contexts{Match: func(string) (dimse.Service, bool) { return dimse.Service{}, true }}
	var mux dimse.Mux
	mux.HandleFunc(dimse.CStoreRQ, d.store)
	server, err := dimse.NewServer(dimse.Config{AETitle: "DEST", Contexts: contexts, Handler: &mux})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("destination: %v", err)
		}
	})
	return d
}

func (d *destination) store(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	var b bytes.Buffer
	if _, err := io.Copy(&b, r.Data); err != nil {
		return
	}
	d.mu.Lock()
	d.got[r.Command.AffectedSOPInstanceUID] = received{r.Command.AffectedSOPClassUID, r.TransferSyntax.UID, b.Bytes()}
	d.mu.Unlock()
	if d.each != nil {
		d.each()
	}
	_ = w.Respond(dimse.StatusSuccess)
}

func (d *destination) take(SOPInstanceUID string) (received, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.got[SOPInstanceUID]
	delete(d.got, SOPInstanceUID)
	return r, ok
}

// moveStudy has a server send a study to a destination.
func moveStudy(t *testing.T, address, AETitle, StudyInstanceUID, destination string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, identifier, err := dialMove(ctx, address, AETitle, StudyInstanceUID)
	if err != nil {
		return err
	}
	if _, err := client.Move(ctx, scu.StudyRootMove, identifier, destination, nil); err != nil {
		_ = client.Abort()
		return err
	}
	return client.Release(ctx)
}

// cancelMove returns how many instances were sent until the C-MOVE that ctx cancels ended.
func cancelMove(ctx context.Context, address, StudyInstanceUID string) (int, error) {
	client, identifier, err := dialMove(ctx, address, "AURELIUS", StudyInstanceUID)
	if err != nil {
		return 0, err
	}
	result, err := client.Move(ctx, scu.StudyRootMove, identifier, "DEST", nil)
	return result.Counters.Completed, errors.Join(err, client.Release(context.WithoutCancel(ctx)))
}

func dialMove(ctx context.Context, address, AETitle, StudyInstanceUID string) (*scu.Client, *dicom.Dataset, error) {
	client, err := scu.Dial(ctx, address, scu.Config{CallingAE: "E2E", CalledAE: AETitle, Contexts: []dimse.Proposal{
		{AbstractSyntax: scu.StudyRootMove, TransferSyntaxes: []string{implicitLE}},
	}})
	identifier := &dicom.Dataset{}
	identifier.SetText(tag.QueryRetrieveLevel, "STUDY")
	identifier.SetUID(tag.StudyInstanceUID, StudyInstanceUID)
	return client, identifier, err
}
