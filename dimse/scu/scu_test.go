package scu_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

const (
	ctImage    = "1.2.840.10008.5.1.4.1.1.2"
	commitment = "1.2.840.10008.1.20.1"
	instances  = 5
)

var quiet = slog.New(slog.DiscardHandler)

// identifier is a query for studies.
func identifier() *dicom.Dataset {
	return &dicom.Dataset{Elements: []dicom.Element{
		{Tag: tag.New(0x0008, 0x0052), VR: vr.CS, Value: []byte("STUDY ")},
		{Tag: tag.New(0x0020, 0x000D), VR: vr.UI},
	}}
}

// match is the n-th answer.
func match(n int) *dicom.Dataset {
	return &dicom.Dataset{Elements: []dicom.Element{
		{Tag: tag.New(0x0008, 0x0052), VR: vr.CS, Value: []byte("STUDY ")},
		{Tag: tag.New(0x0020, 0x000D), VR: vr.UI, Value: fmt.Appendf(nil, "1.2.%04d", n)},
	}}
}

// serve starts a server with small services of every kind; it returns the address.
func serve(t testing.TB) string {
	t.Helper()
	m := &dimse.Mux{}
	m.HandleFunc(dimse.CEchoRQ, func(_ context.Context, w *dimse.ResponseWriter, _ *dimse.Request) { _ = w.Respond(0) })
	m.HandleFunc(dimse.CStoreRQ, storeUID)
	m.HandleFunc(dimse.CFindRQ, findMany)
	m.HandleFunc(dimse.CMoveRQ, moveSome)
	m.HandleFunc(dimse.CGetRQ, getSome)
	m.HandleFunc(dimse.NActionRQ, func(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
		b, err := io.ReadAll(r.Data)
		rsp := r.Command.Response(dimse.StatusSuccess)
		if err != nil || rsp.ActionTypeID != 1 {
			rsp.Status = dimse.StatusProcessingFailure
		}
		_ = w.Send(rsp, b)
	}, commitment)
	contexts := &dimse.Contexts{}
	contexts.Add(dimse.Service{}, scu.Verification, scu.StudyRootFind, scu.StudyRootMove, scu.StudyRootGet, commitment)
	contexts.Add(dimse.Service{PeerSCP: true}, ctImage)
	s, err := dimse.NewServer(dimse.Config{Handler: m, Contexts: contexts, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// storeUID answers with the status that the last four digits of the SOP Instance UID say.
func storeUID(_ context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	var status dimse.Status
	uid := r.Command.AffectedSOPInstanceUID
	if _, err := fmt.Sscanf(uid[strings.LastIndexByte(uid, '.')+1:], "%d", &status); err != nil {
		status = dimse.StatusCannotUnderstand
	}
	_, _ = io.Copy(io.Discard, r.Data)
	_ = w.Respond(status)
}

// findMany answers without end until it is canceled; without QueryRetrieveLevel it fails.
func findMany(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	b, _ := io.ReadAll(r.Data)
	if len(b) == 0 {
		_ = w.Respond(dimse.StatusDataSetMismatch)
		return
	}
	for n := 0; ctx.Err() == nil && n < 100_000; n++ {
		if err := w.SendDataset(r.Command.Response(dimse.StatusPending), match(n)); err != nil {
			return
		}
		if bytes.Contains(b, []byte("STUDY")) && bytes.Contains(b, []byte("few")) && n == instances-1 {
			_ = w.Respond(dimse.StatusSuccess)
			return
		}
	}
	_ = w.Respond(dimse.StatusCancel)
}

func moveSome(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	if r.Command.MoveDestination != "KNOWN" {
		_ = w.Respond(dimse.StatusMoveDestinationUnknown)
		return
	}
	for n := range instances {
		rsp := r.Command.Response(dimse.StatusPending)
		rsp.Counters = &dimse.Counters{Remaining: instances - n - 1, Completed: n + 1}
		_ = w.Send(rsp, nil)
	}
	rsp := r.Command.Response(dimse.StatusCoercion)
	rsp.Counters = &dimse.Counters{Remaining: -1, Completed: instances - 1, Failed: 1}
	_ = w.SendDataset(rsp, match(0))
}

// getSome sends instances on the same association, with a pending response after each.
func getSome(ctx context.Context, w *dimse.ResponseWriter, r *dimse.Request) {
	var target dimse.PresentationContext
	for _, pc := range r.Association.ContextsFor(ctImage) {
		if pc.RequestorSCP {
			target = pc
		}
	}
	counters := dimse.Counters{Remaining: instances}
	for n := range instances {
		if ctx.Err() != nil {
			rsp := r.Command.Response(dimse.StatusCancel)
			rsp.Counters = &counters
			_ = w.Send(rsp, nil)
			return
		}
		cmd := &dimse.Command{AffectedSOPClassUID: ctImage, AffectedSOPInstanceUID: fmt.Sprintf("1.2.%d", n)}
		rsp, err := r.Association.Store(ctx, target, cmd, bytes.NewReader(object(n)))
		counters.Remaining--
		switch {
		case err != nil:
			return
		case rsp.Status.Class() == dimse.Failure:
			counters.Failed++
		default:
			counters.Completed++
		}
		pending := r.Command.Response(dimse.StatusPending)
		shown := counters
		pending.Counters = &shown
		_ = w.Send(pending, nil)
	}
	final := r.Command.Response(dimse.StatusSuccess)
	counters.Remaining = -1
	final.Counters = &counters
	_ = w.Send(final, nil)
}

// object is the n-th instance's data set (of no sense, but of size).
func object(n int) []byte { return bytes.Repeat([]byte{byte(n), 1, 2, 3}, 50_000+n) }

func dial(t testing.TB, addr string, change func(*scu.Config)) *scu.Client {
	t.Helper()
	cfg := scu.Config{CalledAE: "TEST", Logger: quiet, StoreRoles: []string{ctImage}}
	for _, uid := range []string{scu.Verification, scu.StudyRootFind, scu.StudyRootMove, scu.StudyRootGet, ctImage, commitment} {
		cfg.Contexts = append(cfg.Contexts, dimse.Proposal{AbstractSyntax: uid, TransferSyntaxes: []string{scu.ExplicitVRLittleEndian}})
	}
	if change != nil {
		change(&cfg)
	}
	c, err := scu.Dial(t.Context(), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Abort() })
	return c
}

func TestEcho(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), nil)
	for range 3 {
		if err := c.Echo(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Echo(t.Context()); err == nil {
		t.Error("echo after release")
	}
}

func TestStore(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), nil)
	for _, x := range []struct {
		status dimse.Status
		kind   errs.Kind
		ok     bool
	}{
		{dimse.StatusSuccess, 0, true},
		{dimse.StatusCoercion, 0, true},
		{dimse.StatusElementsDiscarded, 0, true},
		{dimse.StatusOutOfResources, errs.Exhausted, false},
		{dimse.StatusDataSetMismatch, errs.Mismatch, false},
		{dimse.StatusCannotUnderstand, errs.Invalid, false},
		{dimse.StatusNotAuthorized, errs.Forbidden, false},
		{dimse.StatusDuplicateSOPInstance, errs.Conflict, false},
		{dimse.StatusProcessingFailure, errs.Internal, false},
	} {
		status, err := c.Store(t.Context(), ctImage, fmt.Sprintf("1.2.%d", x.status), scu.ExplicitVRLittleEndian, bytes.NewReader(object(1)))
		if status != x.status || (err == nil) != x.ok || err != nil && errs.KindOf(err) != x.kind {
			t.Errorf("%v: status %v, %v", x.status, status, err)
		}
		var se *scu.StatusError
		if !x.ok && (!errors.As(err, &se) || se.Status != x.status) {
			t.Errorf("%v: no StatusError in %v", x.status, err)
		}
	}
	if _, err := c.Store(t.Context(), ctImage, "1.2.3", scu.ImplicitVRLittleEndian, strings.NewReader("x")); !errs.Is(err, errs.Unsupported) {
		t.Errorf("syntax that was not negotiated: %v", err)
	}
	if !c.Accepts(ctImage, scu.ExplicitVRLittleEndian) || c.Accepts(ctImage, scu.ImplicitVRLittleEndian) || c.Accepts("1.2", "") {
		t.Error("Accepts")
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), nil)
	few := identifier()
	few.Elements = append(few.Elements, dicom.Element{Tag: tag.New(0x0020, 0x0010), VR: vr.SH, Value: []byte("few ")})
	n := 0
	for d, err := range c.Find(t.Context(), scu.StudyRootFind, few) {
		if err != nil || len(d.Elements) != 2 || string(d.Elements[1].Value) != fmt.Sprintf("1.2.%04d", n) {
			t.Fatalf("match %d: %+v, %v", n, d, err)
		}
		n++
	}
	if n != instances {
		t.Errorf("%d matches", n)
	}
	// Leaving the loop cancels, and the association works on.
	for _, err := range c.Find(t.Context(), scu.StudyRootFind, identifier()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	// So does the end of the context.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Find(ctx, scu.StudyRootFind, identifier()) {
		last = err
		cancel()
	}
	if !errs.Is(last, errs.Canceled) {
		t.Errorf("ended with %v", last)
	}
	for _, err := range c.Find(t.Context(), scu.StudyRootFind, &dicom.Dataset{}) {
		if last = err; err == nil {
			t.Error("match for nothing")
		}
	}
	if !errs.Is(last, errs.Mismatch) {
		t.Errorf("empty identifier: %v", last)
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMove(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), nil)
	var seen []dimse.Counters
	res, err := c.Move(t.Context(), scu.StudyRootMove, identifier(), "KNOWN", func(n dimse.Counters) { seen = append(seen, n) })
	if err != nil {
		t.Fatal(err)
	}
	want := dimse.Counters{Remaining: -1, Completed: instances - 1, Failed: 1}
	if res.Status != dimse.StatusCoercion || res.Counters != want || res.Failed == nil || len(seen) != instances || seen[0].Remaining != instances-1 {
		t.Errorf("%+v, progress %+v", res, seen)
	}
	if _, err := c.Move(t.Context(), scu.StudyRootMove, identifier(), "NOBODY", nil); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), nil)
	got := 0
	store := func(_ context.Context, r scu.Received) dimse.Status {
		if got == 1 { // leaves the data set unread
			got++
			return dimse.StatusOutOfResources
		}
		b, err := io.ReadAll(r.Data)
		if err != nil || !bytes.Equal(b, object(got)) || r.SOPInstanceUID != fmt.Sprintf("1.2.%d", got) || r.TransferSyntaxUID != scu.ExplicitVRLittleEndian {
			t.Errorf("instance %d: %d bytes, %v, %+v", got, len(b), err, r)
		}
		got++
		return dimse.StatusSuccess
	}
	res, err := c.Get(t.Context(), scu.StudyRootGet, identifier(), store, nil)
	want := dimse.Counters{Remaining: -1, Completed: instances - 1, Failed: 1}
	if err != nil || got != instances || res.Counters != want {
		t.Errorf("%d instances, %+v, %v", got, res, err)
	}
	// C-CANCEL after the first.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got = 0
	res, err = c.Get(ctx, scu.StudyRootGet, identifier(), func(ctx context.Context, r scu.Received) dimse.Status {
		got++
		cancel()
		<-ctx.Done()
		return dimse.StatusSuccess
	}, nil)
	if err == nil && res.Counters.Completed == instances {
		t.Log("C-CANCEL came too late")
	} else if !errs.Is(err, errs.Canceled) || res.Status != dimse.StatusCancel {
		t.Errorf("canceled: %+v, %v", res, err)
	}
	if err := c.Echo(t.Context()); err != nil {
		t.Errorf("association after the cancel: %v", err)
	}
}

func TestNormalized(t *testing.T) {
	t.Parallel()
	c := dial(t, serve(t), nil)
	rsp, d, err := c.NAction(t.Context(), commitment, "1.2.840.10008.1.20.1.1", 1, match(3))
	if err != nil || rsp.ActionTypeID != 1 || d == nil || len(d.Elements) != 2 {
		t.Errorf("%+v, %+v, %v", rsp, d, err)
	}
	if _, _, err := c.NGet(t.Context(), commitment, "1.2.3", tag.New(0x0010, 0x0010)); !errs.Is(err, errs.Unsupported) {
		t.Error(err)
	}
	if _, _, err := c.NSet(t.Context(), "1.2.3.4", "1.2.3", match(1)); !errs.Is(err, errs.Unsupported) {
		t.Error(err)
	}
}

func TestProposals(t *testing.T) {
	t.Parallel()
	classes := map[string][]string{"1.2.2": {"a", "b"}, "1.2.1": {"c"}}
	together, err := scu.Proposals(classes, false)
	if err != nil || len(together) != 2 || together[0].AbstractSyntax != "1.2.1" || len(together[1].TransferSyntaxes) != 2 {
		t.Errorf("%+v, %v", together, err)
	}
	apart, err := scu.Proposals(classes, true)
	if err != nil || len(apart) != 3 || len(apart[1].TransferSyntaxes) != 1 {
		t.Errorf("%+v, %v", apart, err)
	}
	if _, err := scu.Proposals(map[string][]string{"1.2": make([]string, 129)}, true); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
}

// TestPeers asks DCMTK's and pynetdicom's servers what ours is asked above.
func TestPeers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T, port string) *exec.Cmd{
		"dcmtk": func(t *testing.T, port string) *exec.Cmd {
			return exec.CommandContext(t.Context(), testkit.Tool(t, "storescp"), "+xa", "--output-directory", t.TempDir(), port)
		},
		"pynetdicom": func(t *testing.T, port string) *exec.Cmd {
			script := filepath.Join(t.TempDir(), "scp.py")
			if err := os.WriteFile(script, []byte(pynetdicomSCP), 0o600); err != nil {
				t.Fatal(err)
			}
			return exec.CommandContext(t.Context(), filepath.Join(testkit.Shared(t), "parts", "dicom-tools"), "py", script, port)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			_, port, _ := net.SplitHostPort(addr)
			_ = l.Close()
			cmd := start(t, port)
			cmd.WaitDelay = 5 * time.Second
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Wait() })
			askPeer(t, addr)
		})
	}
}

// await waits until the peer listens.
func await(t *testing.T, addr string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond) // polling a program that says nothing when it is ready
	}
	t.Fatal("peer does not listen")
}

func askPeer(t *testing.T, addr string) {
	await(t, addr)
	files, err := filepath.Glob(filepath.Join(testkit.Shared(t), "data", "syntaxes", "ct-all", "*.dcm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	classes := map[string][]string{scu.Verification: {scu.ImplicitVRLittleEndian}}
	objects := map[string]*dicom.Header{}
	for _, f := range files {
		h, err := header(f)
		if err != nil {
			continue // a syntax that the reader does not know yet is not this test's
		}
		objects[f] = h
		classes[ctImage] = append(classes[ctImage], h.TransferSyntax.UID)
	}
	proposals, err := scu.Proposals(classes, true)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, addr, func(cfg *scu.Config) { cfg.Contexts, cfg.StoreRoles = proposals, nil })
	if err := c.Echo(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for path, h := range objects {
		if !c.Accepts(ctImage, h.TransferSyntax.UID) {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		data := io.NewSectionReader(f, h.DatasetOffset, 1<<62)
		if status, err := c.Store(t.Context(), ctImage, instanceUID(h), h.TransferSyntax.UID, data); err != nil {
			t.Errorf("%s: %v, %v", filepath.Base(path), status, err)
		}
		_ = f.Close()
		sent++
	}
	if sent < 3 {
		t.Errorf("only %d of %d accepted", sent, len(objects))
	}
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

func instanceUID(h *dicom.Header) string {
	for _, e := range h.Dataset.Elements {
		if e.Tag == tag.New(0x0008, 0x0018) {
			return strings.TrimRight(string(e.Value), "\x00")
		}
	}
	return ""
}

func header(path string) (*dicom.Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return dicom.ReadHeader(f, dicom.Source{}, dicom.Limits{})
}

const pynetdicomSCP = `
import sys
from pynetdicom import AE, evt, AllStoragePresentationContexts, ALL_TRANSFER_SYNTAXES
from pynetdicom.sop_class import Verification
ae = AE(ae_title='PYNETDICOM')
ae.add_supported_context(Verification)
for c in AllStoragePresentationContexts:
    ae.add_supported_context(c.abstract_syntax, ALL_TRANSFER_SYNTAXES)
ae.start_server(('127.0.0.1', int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, lambda e: 0)])
`
