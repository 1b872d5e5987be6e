package scp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aurelius-imaging/aurelius/archive"
	"github.com/aurelius-imaging/aurelius/archive/archivetest"
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// wanted makes the Identifier of a retrieval.
func wanted(level string, keys map[tag.Tag][]string) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetText(tag.QueryRetrieveLevel, level)
	for t, values := range keys {
		d.SetText(t, values...)
	}
	return d
}

func study(uids ...string) *dicom.Dataset {
	return wanted("STUDY", map[tag.Tag][]string{tag.StudyInstanceUID: uids})
}

// collect is a C-GET callback that keeps what comes.
func collect(into map[string]received) func(context.Context, scu.Received) dimse.Status {
	return func(_ context.Context, r scu.Received) dimse.Status {
		data, err := io.ReadAll(r.Data)
		if err != nil {
			return dimse.StatusProcessingFailure
		}
		into[r.SOPInstanceUID] = received{SOPClassUID: r.SOPClassUID, TransferSyntax: r.TransferSyntaxUID, data: data}
		return dimse.StatusSuccess
	}
}

func getContexts(syntax string, classes ...string) scu.Config {
	return scu.Config{
		Contexts:   append(propose(dicom.ExplicitVRLittleEndian.UID, scu.StudyRootGet, scu.PatientRootGet), propose(syntax, classes...)...),
		StoreRoles: classes,
	}
}

func moveContexts() scu.Config {
	return scu.Config{CallingAE: "MOVER", Contexts: propose(dicom.ExplicitVRLittleEndian.UID, scu.StudyRootMove, scu.PatientRootMove)}
}

// TestRoundTrip stores every encoding we have and takes it back by C-GET and C-MOVE: the data
// set is the one that was sent, byte for byte.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	roundTrip(t, fixtures(t))
}

// TestRoundTripCorpus does so with the shared corpus: one CT and one MR in all their transfer
// syntaxes, reference sets, HTJ2K, JPEG XL, colour.
func TestRoundTripCorpus(t *testing.T) {
	t.Parallel()
	objects := map[string]instance{}
	root := filepath.Join(testkit.Shared(t), "data", "syntaxes")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".dcm" {
			if in := fixture(t, path); in.SOPClassUID != "" {
				objects[strings.TrimPrefix(path, root)] = in
			}
		}
		return err
	})
	if err != nil || len(objects) < 50 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	roundTrip(t, objects)
}

// roundTrip takes one object after the other; many share a SOP Instance UID, so each replaces
// the one before it.
func roundTrip(t *testing.T, objects map[string]instance) {
	t.Helper()
	to := listenSink(t)
	arch := archivetest.NewWith(t, archive.Config{Duplicates: archive.Replace})
	addr := serveArchive(t, scp.Config{}, arch, scp.Peers{"SINK": to.addr})
	mover := associate(t, addr, moveContexts())
	for name, in := range objects {
		client := associate(t, addr, getContexts(in.TransferSyntax, in.SOPClassUID))
		if status := store(t, client, in); status != dimse.StatusSuccess {
			t.Errorf("%s: C-STORE: %v", name, status)
			continue
		}
		request := wanted("IMAGE", map[tag.Tag][]string{tag.SOPInstanceUID: {in.SOPInstanceUID}})
		got := map[string]received{}
		result, err := client.Get(t.Context(), scu.StudyRootGet, request, collect(got), nil)
		if err != nil || result.Counters.Completed != 1 {
			t.Errorf("%s: C-GET: %+v, %v", name, result, err)
			continue
		}
		same(t, name+": C-GET", got[in.SOPInstanceUID], in)
		result, err = mover.Move(t.Context(), scu.StudyRootMove, request, "SINK", nil)
		if err != nil || result.Counters.Completed != 1 {
			t.Errorf("%s: C-MOVE: %+v, %v", name, result, err)
			continue
		}
		same(t, name+": C-MOVE", to.objects()[in.SOPInstanceUID], in)
		_ = client.Release(t.Context())
	}
}

func same(t *testing.T, how string, got received, want instance) {
	t.Helper()
	if got.TransferSyntax != want.TransferSyntax || got.SOPClassUID != want.SOPClassUID {
		t.Errorf("%s: %s in %s, want %s in %s", how, got.SOPClassUID, got.TransferSyntax, want.SOPClassUID, want.TransferSyntax)
	}
	if !bytes.Equal(got.data, want.data) {
		t.Errorf("%s: data set of %d bytes is not the one of %d bytes that was stored", how, len(got.data), len(want.data))
	}
}

// TestRetrieveSelects retrieves at every level in both models.
func TestRetrieveSelects(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	sender := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage)})
	for _, in := range []struct{ patient, study, series, sop string }{
		{"A", "1.1", "1.1.1", "1.1.1.1"}, {"A", "1.1", "1.1.1", "1.1.1.2"}, {"A", "1.1", "1.1.2", "1.1.2.1"},
		{"A", "1.2", "1.2.1", "1.2.1.1"}, {"B", "2.1", "2.1.1", "2.1.1.1"},
	} {
		object := synthetic(t, in.study, in.series, in.sop, func(d *dicom.Dataset) { d.SetText(tag.PatientID, in.patient) })
		if status := store(t, sender, object); status != dimse.StatusSuccess {
			t.Fatal(status)
		}
	}
	type keys = map[tag.Tag][]string
	for _, c := range []struct {
		name, model, level string
		keys               keys
		want               []string
	}{
		{"patient", scu.PatientRootGet, "PATIENT", keys{tag.PatientID: {"A"}}, []string{"1.1.1.1", "1.1.1.2", "1.1.2.1", "1.2.1.1"}},
		{"study", scu.StudyRootGet, "STUDY", keys{tag.StudyInstanceUID: {"1.1"}}, []string{"1.1.1.1", "1.1.1.2", "1.1.2.1"}},
		{"studies", scu.StudyRootGet, "STUDY", keys{tag.StudyInstanceUID: {"1.2", "2.1", "1.2"}}, []string{"1.2.1.1", "2.1.1.1"}},
		{"study of a patient", scu.PatientRootGet, "STUDY", keys{tag.PatientID: {"A"}, tag.StudyInstanceUID: {"1.2"}}, []string{"1.2.1.1"}},
		{"study of another patient", scu.PatientRootGet, "STUDY", keys{tag.PatientID: {"B"}, tag.StudyInstanceUID: {"1.2"}}, nil},
		{"series", scu.StudyRootGet, "SERIES", keys{tag.StudyInstanceUID: {"1.1"}, tag.SeriesInstanceUID: {"1.1.2"}}, []string{"1.1.2.1"}},
		{"series of another study", scu.StudyRootGet, "SERIES", keys{tag.StudyInstanceUID: {"1.2"}, tag.SeriesInstanceUID: {"1.1.2"}}, nil},
		{"images", scu.StudyRootGet, "IMAGE", keys{tag.StudyInstanceUID: {"1.1"}, tag.SeriesInstanceUID: {"1.1.1"}, tag.SOPInstanceUID: {"1.1.1.2", "1.1.1.1"}},
			[]string{"1.1.1.1", "1.1.1.2"}},
		{"image without its parents", scu.StudyRootGet, "IMAGE", keys{tag.SOPInstanceUID: {"1.2.1.1"}}, []string{"1.2.1.1"}},
		{"nothing there", scu.StudyRootGet, "STUDY", keys{tag.StudyInstanceUID: {"9.9"}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := map[string]received{}
			client := associate(t, addr, getContexts(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage))
			result, err := client.Get(t.Context(), c.model, wanted(c.level, c.keys), collect(got), nil)
			if err != nil || result.Status != dimse.StatusSuccess || result.Counters.Failed != 0 {
				t.Fatalf("%+v, %v", result, err)
			}
			var uids []string
			for sop := range got {
				uids = append(uids, sop)
			}
			slices.Sort(uids)
			if !slices.Equal(uids, c.want) || result.Counters.Completed != len(c.want) {
				t.Errorf("got %v (%+v), want %v", uids, result.Counters, c.want)
			}
		})
	}
	for _, c := range []struct {
		name, model, level string
		keys               keys
	}{
		{"no level", scu.StudyRootGet, "", keys{tag.StudyInstanceUID: {"1.1"}}},
		{"no unique key", scu.StudyRootGet, "STUDY", keys{tag.AccessionNumber: {"1"}}},
		{"empty unique key", scu.StudyRootGet, "SERIES", keys{tag.StudyInstanceUID: {"1.1"}, tag.SeriesInstanceUID: {}}},
		{"wildcard", scu.PatientRootGet, "PATIENT", keys{tag.PatientID: {"*"}}},
		{"patient level in Study Root", scu.StudyRootGet, "PATIENT", keys{tag.PatientID: {"A"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := associate(t, addr, getContexts(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage))
			result, err := client.Get(t.Context(), c.model, wanted(c.level, c.keys), collect(map[string]received{}), nil)
			if err == nil || result.Status != dimse.StatusDataSetMismatch {
				t.Errorf("%+v, %v; want A900", result, err)
			}
		})
	}
}

// TestGetConverts asks for native objects in another native transfer syntax, and for some that
// no accepted context can carry.
func TestGetConverts(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	objects := storeSeries(t, addr, 3)
	got := map[string]received{}
	client := associate(t, addr, getContexts(dicom.ImplicitVRLittleEndian.UID, uid.CTImageStorage))
	result, err := client.Get(t.Context(), scu.StudyRootGet, study("1.2.3"), collect(got), nil)
	if err != nil || result.Counters.Completed != 3 {
		t.Fatalf("%+v, %v", result, err)
	}
	want, err := dicom.ParseDataset(objects[0].data, dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dicom.ParseDataset(got[objects[0].SOPInstanceUID].data, dicom.ImplicitVRLittleEndian)
	if err != nil || show(d) != show(want) {
		t.Errorf("converted: %v\n got %s\nwant %s", err, show(d), show(want))
	}

	compressed := associate(t, addr, getContexts(dicom.JPEGBaseline.UID, uid.CTImageStorage))
	result, err = compressed.Get(t.Context(), scu.StudyRootGet, study("1.2.3"), collect(got), nil)
	if err == nil || result.Status != dimse.StatusOutOfResourcesSubOps || result.Counters.Failed != 3 {
		t.Errorf("only JPEG accepted: %+v, %v", result, err)
	}
	if result.Failed == nil || len(result.Failed.Texts(tag.FailedSOPInstanceUIDList)) != 3 {
		t.Errorf("Failed SOP Instance UID List: %v", result.Failed)
	}
	none := associate(t, addr, getContexts(dicom.ExplicitVRLittleEndian.UID, uid.MRImageStorage))
	result, err = none.Get(t.Context(), scu.StudyRootGet, study("1.2.3"), collect(got), nil)
	if err == nil || result.Counters.Failed != 3 {
		t.Errorf("SOP Class not proposed: %+v, %v", result, err)
	}
}

func TestMoveTellsWhoAskedForIt(t *testing.T) {
	t.Parallel()
	to := listenSink(t)
	addr, _ := serve(t, scp.Config{}, scp.Peers{"SINK": to.addr})
	storeSeries(t, addr, 2)
	mover := associate(t, addr, moveContexts())
	result, err := mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "SINK", nil)
	if err != nil || result.Counters != (dimse.Counters{Remaining: -1, Completed: 2}) {
		t.Fatalf("%+v, %v", result, err)
	}
	for sop, r := range to.objects() {
		if r.cmd.MoveOriginatorAETitle != "MOVER" || r.cmd.MoveOriginatorMessageID == 0 {
			t.Errorf("%s: originator %q, message %d", sop, r.cmd.MoveOriginatorAETitle, r.cmd.MoveOriginatorMessageID)
		}
	}
}

// TestMoveConverts moves to destinations that know little.
func TestMoveConverts(t *testing.T) {
	t.Parallel()
	implicit, jpeg := listenSink(t, dicom.ImplicitVRLittleEndian.UID), listenSink(t, dicom.JPEGBaseline.UID)
	addr, _ := serve(t, scp.Config{}, scp.Peers{"IMPLICIT": implicit.addr, "JPEG": jpeg.addr})
	storeSeries(t, addr, 2)
	mover := associate(t, addr, moveContexts())
	result, err := mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "IMPLICIT", nil)
	if err != nil || result.Counters.Completed != 2 {
		t.Errorf("converted: %+v, %v", result, err)
	}
	for sop, r := range implicit.objects() {
		if r.TransferSyntax != dicom.ImplicitVRLittleEndian.UID {
			t.Errorf("%s in %s", sop, r.TransferSyntax)
		}
	}
	result, err = mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "JPEG", nil)
	if err == nil || result.Status != dimse.StatusOutOfResourcesSubOps || result.Counters.Failed != 2 {
		t.Errorf("destination takes JPEG only: %+v, %v", result, err)
	}
}

func TestMoveDestinationProblems(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	addr, _ := serve(t, scp.Config{}, scp.Peers{"DOWN": nobody})
	storeSeries(t, addr, 2)
	mover := associate(t, addr, moveContexts())
	result, err := mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "NOBODY", nil)
	if err == nil || result.Status != dimse.StatusMoveDestinationUnknown {
		t.Errorf("unknown destination: %+v, %v", result, err)
	}
	result, err = mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "DOWN", nil)
	if err == nil || result.Status != dimse.StatusOutOfResourcesSubOps || result.Counters.Failed != 2 {
		t.Errorf("nobody listens: %+v, %v", result, err)
	}
	result, err = mover.Move(t.Context(), scu.StudyRootMove, study("9.9"), "DOWN", nil)
	if err != nil || result.Status != dimse.StatusSuccess {
		t.Errorf("nothing to send: %+v, %v", result, err)
	}
}

// TestMoveCounts has a destination refuse some and warn about others.
func TestMoveCounts(t *testing.T) {
	t.Parallel()
	to := listenSink(t)
	to.answer = func(n int, _ *dimse.Command) dimse.Status {
		return []dimse.Status{dimse.StatusSuccess, dimse.StatusOutOfResources, dimse.StatusCoercion}[n%3]
	}
	addr, _ := serve(t, scp.Config{}, scp.Peers{"SINK": to.addr})
	storeSeries(t, addr, 9)
	mover := associate(t, addr, moveContexts())
	result, err := mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "SINK", nil)
	if err != nil || result.Status != dimse.StatusCoercion || result.Counters != (dimse.Counters{Remaining: -1, Completed: 3, Failed: 3, Warning: 3}) {
		t.Errorf("%+v, %v", result, err)
	}
	if got := len(result.Failed.Texts(tag.FailedSOPInstanceUIDList)); got != 3 {
		t.Errorf("%d UIDs in the failed list", got)
	}
}

// TestMoveSurvivesABrokenAssociation has the destination hang up after every third instance.
func TestMoveSurvivesABrokenAssociation(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := listenSink(t)
	go relay(l, to.addr, 3)
	addr, _ := serve(t, scp.Config{}, scp.Peers{"SINK": l.Addr().String()})
	storeSeries(t, addr, 12)
	mover := associate(t, addr, moveContexts())
	result, err := mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "SINK", nil)
	if err != nil || result.Counters.Completed < 6 || result.Counters.Completed+result.Counters.Failed != 12 {
		t.Errorf("%+v, %v", result, err)
	}
}

// relay passes connections on to addr and cuts each after so many answers from there (the
// A-ASSOCIATE-AC is one more).
func relay(l net.Listener, addr string, answers int) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", addr)
		if err != nil {
			_ = from.Close()
			return
		}
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		go func() {
			defer from.Close()
			buf := make([]byte, 64<<10)
			for range answers + 1 {
				n, err := to.Read(buf)
				if err != nil {
					return
				}
				if _, err := from.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// TestCancel sends C-CANCEL while instances are on their way. The first ones are held back until
// the cancel is out, and there are too many for it to come too late.
func TestCancel(t *testing.T) {
	t.Parallel()
	const n = 400
	to := listenSink(t)
	addr, _ := serve(t, scp.Config{}, scp.Peers{"SINK": to.addr})
	storeSeries(t, addr, n)

	check := func(t *testing.T, result scu.Result, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) || result.Status != dimse.StatusCancel {
			t.Fatalf("%+v, %v; want FE00", result, err)
		}
		c := result.Counters
		if c.Remaining <= 0 || c.Completed <= 0 || c.Remaining+c.Completed != n {
			t.Errorf("counters %+v", c)
		}
	}
	t.Run("C-MOVE", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		to.answer = func(i int, _ *dimse.Command) dimse.Status {
			if i == 3 {
				cancel()
			}
			return dimse.StatusSuccess
		}
		mover := associate(t, addr, moveContexts())
		result, err := mover.Move(ctx, scu.StudyRootMove, study("1.2.3"), "SINK", nil)
		check(t, result, err)
	})
	t.Run("C-GET", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		getter := associate(t, addr, getContexts(dicom.ExplicitVRLittleEndian.UID, uid.CTImageStorage))
		var once sync.Once
		result, err := getter.Get(ctx, scu.StudyRootGet, study("1.2.3"), func(_ context.Context, r scu.Received) dimse.Status {
			_, _ = io.Copy(io.Discard, r.Data)
			once.Do(cancel)
			return dimse.StatusSuccess
		}, nil)
		check(t, result, err)
	})
	t.Run("C-FIND", func(t *testing.T) {
		client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, scu.StudyRootFind)})
		for range 2 { // and the association is good for another
			got := 0
			for _, err := range client.Find(t.Context(), scu.StudyRootFind, wanted("IMAGE", map[tag.Tag][]string{
				tag.StudyInstanceUID: {"1.2.3"}, tag.SeriesInstanceUID: {"1.2.3.1"}, tag.SOPInstanceUID: {},
			})) {
				if err != nil {
					t.Fatal(err)
				}
				if got++; got == 5 {
					break
				}
			}
			if got != 5 {
				t.Fatalf("%d matches", got)
			}
		}
	})
}

// TestMoveManyClasses needs more contexts than an association has.
func TestMoveManyClasses(t *testing.T) {
	t.Parallel()
	to := listenSink(t)
	addr, _ := serve(t, scp.Config{}, scp.Peers{"SINK": to.addr})
	const classes = 60 // of three contexts each
	for i, class := range uid.StorageClasses()[:classes] {
		in := synthetic(t, "1.2.3", "1.2.3.1", fmt.Sprintf("1.2.3.1.%d", i+1), func(d *dicom.Dataset) { d.SetUID(tag.SOPClassUID, class.UID) })
		in.SOPClassUID = class.UID
		client := associate(t, addr, scu.Config{Contexts: propose(in.TransferSyntax, in.SOPClassUID)})
		if status := store(t, client, in); status != dimse.StatusSuccess {
			t.Fatal(status)
		}
	}
	mover := associate(t, addr, moveContexts())
	result, err := mover.Move(t.Context(), scu.StudyRootMove, study("1.2.3"), "SINK", nil)
	if err != nil || result.Counters.Completed != classes || len(to.objects()) != classes {
		t.Errorf("%+v, %v; %d objects arrived", result, err, len(to.objects()))
	}
}
