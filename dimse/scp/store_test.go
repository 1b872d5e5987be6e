package scp_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dimse"
	"github.com/aurelius-imaging/aurelius/dimse/scp"
	"github.com/aurelius-imaging/aurelius/dimse/scu"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	for _, ts := range []dicom.TransferSyntax{dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian} {
		client := associate(t, addr, scu.Config{Contexts: propose(ts.UID, uid.Verification)})
		for range 3 {
			if err := client.Echo(t.Context()); err != nil {
				t.Errorf("%v: %v", ts, err)
			}
		}
	}
}

func TestStoreAnswersWithItsStatus(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	explicit := dicom.ExplicitVRLittleEndian.UID
	const private = "1.3.12.2.1107.999.1"
	client := associate(t, addr, scu.Config{Contexts: propose(explicit, uid.CTImageStorage, uid.MRImageStorage, private)})

	first := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.1", nil)
	other := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.1", func(d *dicom.Dataset) { d.SetText(tag.PatientID, "P2") })
	unannounced := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.2", nil)
	unannounced.SOPInstanceUID = "1.2.3.1.3"
	anotherClass := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.4", nil)
	anotherClass.SOPClassUID = uid.MRImageStorage
	cut := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.5", nil)
	cut.data = cut.data[:len(cut.data)-5]
	noStudy := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.6", func(d *dicom.Dataset) { d.Delete(tag.StudyInstanceUID) })
	unknown := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.7", func(d *dicom.Dataset) { d.SetUID(tag.SOPClassUID, private) })
	unknown.SOPClassUID = private

	for _, c := range []struct {
		name string
		in   instance
		want dimse.Status
	}{
		{"new", first, dimse.StatusSuccess},
		{"the same again", first, dimse.StatusSuccess},
		{"other bytes under the UID", other, dimse.StatusDuplicateSOPInstance},
		{"another SOP Instance UID than announced", unannounced, dimse.StatusDataSetMismatch},
		{"another SOP Class than announced", anotherClass, dimse.StatusDataSetMismatch},
		{"cut off", cut, dimse.StatusCannotUnderstand},
		{"no Study Instance UID", noStudy, dimse.StatusDataSetMismatch},
		{"unknown private SOP Class", unknown, dimse.StatusSuccess},
		{"the first is still the first", first, dimse.StatusSuccess},
	} {
		if got := store(t, client, c.in); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestStoreOnAContextOfAnotherService(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, scp.Config{}, nil)
	client := associate(t, addr, scu.Config{Contexts: propose(dicom.ExplicitVRLittleEndian.UID, uid.Verification)})
	in := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.1", nil)
	in.SOPClassUID = uid.Verification
	if got := store(t, client, in); got != dimse.StatusUnrecognizedOperation {
		t.Errorf("status %v", got)
	}
	if err := client.Echo(t.Context()); err != nil {
		t.Errorf("the association is spoilt: %v", err)
	}
}

// TestAbortedStoreLeavesNothing cuts an association in the middle of a data set.
func TestAbortedStoreLeavesNothing(t *testing.T) {
	t.Parallel()
	addr, arch := serve(t, scp.Config{}, nil)
	in := synthetic(t, "1.2.3", "1.2.3.1", "1.2.3.1.1", func(d *dicom.Dataset) {
		d.SetElement(dicom.Element{Tag: tag.PixelData, VR: tag.PixelData.VR(), Value: make([]byte, 1<<20)})
	})
	client := associate(t, addr, scu.Config{Contexts: propose(in.TransferSyntax, in.SOPClassUID)})
	broken := &brokenReader{data: in.data[:700_000]}
	if _, err := client.Store(t.Context(), in.SOPClassUID, in.SOPInstanceUID, in.TransferSyntax, broken); err == nil {
		t.Fatal("no error from a source that breaks")
	}
	// The door is done with the aborted association before it answers the next.
	again := associate(t, addr, scu.Config{Contexts: propose(in.TransferSyntax, in.SOPClassUID)})
	if got := store(t, again, in); got != dimse.StatusSuccess {
		t.Errorf("status of the whole object afterwards: %v", got)
	}
	changes, err := arch.Changes(t.Context(), "default", 0, 10)
	if err != nil || len(changes) != 1 {
		t.Errorf("%d changes, %v; want the one of the whole object", len(changes), err)
	}
}

var errBroken = errors.New("source is broken")

type brokenReader struct{ data []byte }

func (r *brokenReader) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, errBroken
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// fixture reads a file as a bare data set. A file without the UIDs of an instance gives none.
func fixture(t testing.TB, path string) instance {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{Lenient: true}, dicom.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, needed := range []tag.Tag{tag.SOPClassUID, tag.SOPInstanceUID, tag.StudyInstanceUID, tag.SeriesInstanceUID} {
		if h.Dataset.UID(needed) == "" {
			return instance{}
		}
	}
	data := b[h.DatasetOffset:]
	if len(data)%2 == 1 { // as it goes over the wire: PS3.8 E.1 wants even lengths, PS3.5 A.5 pads with NUL
		data = append(data, 0)
	}
	return instance{h.Dataset.UID(tag.SOPClassUID), h.Dataset.UID(tag.SOPInstanceUID), h.TransferSyntax.UID, data}
}

// fixtures are the small objects of the repository, one of each encoding; fragments without the
// UIDs of an instance are left out.
func fixtures(t testing.TB) map[string]instance {
	t.Helper()
	paths, err := filepath.Glob(testkit.Testdata("dicom", "*.dcm"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	out := map[string]instance{}
	for _, path := range paths {
		if in := fixture(t, path); in.SOPClassUID != "" {
			out[filepath.Base(path)] = in
		}
	}
	return out
}
