package scp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
)

// listen serves contexts and a handler on a port of its own until the test ends.
func listen(t testing.TB, contexts *dimse.Contexts, handler dimse.Handler) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := dimse.NewServer(dimse.Config{
		Contexts: contexts, Handler: handler, Logger: slog.New(slog.DiscardHandler),
		Timeouts: dimse.Timeouts{Grace: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return l.Addr().String()
}

// serve starts the door over a fresh archive.
func serve(t testing.TB, cfg scp.Config, peers scp.PeerDirectory) (addr string, arch *archive.Archive) {
	t.Helper()
	arch = archivetest.New(t)
	return serveArchive(t, cfg, arch, peers), arch
}

func serveArchive(t testing.TB, cfg scp.Config, arch *archive.Archive, peers scp.PeerDirectory) (addr string) {
	t.Helper()
	var contexts dimse.Contexts
	var mux dimse.Mux
	scp.New(cfg, arch, peers).Register(&contexts, &mux)
	return listen(t, &contexts, &mux)
}

// sink is a storage SCP that keeps what it gets.
type sink struct {
	addr string
	// answer may decide the status; called before the object is kept.
	answer func(n int, cmd *dimse.Command) dimse.Status
	// discard drops the objects.
	discard bool

	mu       sync.Mutex
	n        int
	received map[string]received
}

type received struct {
	SOPClassUID, TransferSyntax string
	data                        []byte
	cmd                         dimse.Command
}

// listenSink starts a sink that takes the SOP Classes in the transfer syntaxes; without any, all.
func listenSink(t testing.TB, syntaxes ...string) *sink {
	s := &sink{received: map[string]received{}}
	contexts := &dimse.Contexts{Match: func(string) (dimse.Service, bool) {
		return dimse.Service{TransferSyntaxes: syntaxes}, true
	}}
	s.addr = listen(t, contexts, dimse.HandlerFunc(func(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		s.store(w, r)
	}))
	return s
}

func (s *sink) store(w *dimse.ResponseWriter, r *dimse.Request) {
	if r.Data == nil {
		_ = w.Respond(dimse.StatusUnrecognizedOperation)
		return
	}
	var data bytes.Buffer
	var into io.Writer = &data
	if s.discard {
		into = io.Discard
	}
	if _, err := io.Copy(into, r.Data); err != nil {
		return
	}
	s.mu.Lock()
	s.n++
	n := s.n
	s.mu.Unlock()
	status := dimse.StatusSuccess
	if s.answer != nil {
		status = s.answer(n, r.Command)
	}
	if status.Class() == dimse.Success || status.Class() == dimse.Warning {
		s.mu.Lock()
		s.received[r.Command.AffectedSOPInstanceUID] = received{r.Command.AffectedSOPClassUID, r.TransferSyntax.UID, data.Bytes(), *r.Command}
		s.mu.Unlock()
	}
	_ = w.Respond(status)
}

func (s *sink) objects() map[string]received {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]received{}
	for k, v := range s.received {
		out[k] = v
	}
	return out
}

// associate opens an association with the door.
func associate(t testing.TB, addr string, cfg scu.Config) *scu.Client {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	client, err := scu.Dial(t.Context(), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Abort() })
	return client
}

// propose makes one context of each SOP Class and transfer syntax.
func propose(syntax string, classes ...string) []dimse.Proposal {
	var out []dimse.Proposal
	for _, class := range classes {
		out = append(out, dimse.Proposal{AbstractSyntax: class, TransferSyntaxes: []string{syntax}})
	}
	return out
}

// instance is an object for the wire: a bare data set.
type instance struct {
	SOPClassUID, SOPInstanceUID, TransferSyntax string
	data                                        []byte
}

// synthetic makes a small CT instance; change may add to its data set.
func synthetic(t testing.TB, study, series, sop string, change func(*dicom.Dataset)) instance {
	t.Helper()
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, uid.CTImageStorage)
	d.SetUID(tag.SOPInstanceUID, sop)
	d.SetUID(tag.StudyInstanceUID, study)
	d.SetUID(tag.SeriesInstanceUID, series)
	d.SetText(tag.PatientID, "P1")
	d.SetText(tag.PatientName, "DOE^JANE")
	d.SetText(tag.Modality, "CT")
	if change != nil {
		change(d)
	}
	b, err := dicom.AppendDataset(nil, d, dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	return instance{uid.CTImageStorage, sop, dicom.ExplicitVRLittleEndian.UID, b}
}

// store sends an instance and returns the status.
func store(t testing.TB, client *scu.Client, in instance) dimse.Status {
	t.Helper()
	status, err := client.Store(t.Context(), in.SOPClassUID, in.SOPInstanceUID, in.TransferSyntax, bytes.NewReader(in.data))
	if err != nil && status.Class() != dimse.Failure {
		t.Fatal(err)
	}
	return status
}

// storeSeries stores n synthetic instances of one series and returns them.
func storeSeries(t testing.TB, addr string, n int) []instance {
	t.Helper()
	client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage)})
	out := make([]instance, n)
	for i := range out {
		out[i] = synthetic(t, "1.2.3", "1.2.3.1", fmt.Sprintf("1.2.3.1.%d", i+1), func(d *dicom.Dataset) {
			d.SetInts(tag.InstanceNumber, int64(i+1))
		})
		if status := store(t, client, out[i]); status != dimse.StatusSuccess {
			t.Fatalf("storing instance %d: %v", i+1, status)
		}
	}
	return out
}

// statusError returns the failure status that an error carries.
func statusError(err error) dimse.Status {
	var answer *scu.StatusError
	if errors.As(err, &answer) {
		return answer.Status
	}
	return dimse.StatusSuccess
}
