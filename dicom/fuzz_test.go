package dicom_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// fixtures returns the small objects in testdata.
func fixtures(tb testing.TB) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(testkit.Testdata("dicom", "*.dcm"))
	if err != nil || len(names) == 0 {
		tb.Fatal("no fixtures", err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

// TestFixtures reads and writes the small objects that come with the repository.
func TestFixtures(t *testing.T) {
	t.Parallel()
	for name, file := range fixtures(t) {
		f, err := dicom.Read(bytes.NewReader(file), dicom.Source{Lenient: true}, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, err := f.Bytes()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !f.TransferSyntax.Deflated && !bytes.Equal(out, file) {
			t.Errorf("%s comes back different", name)
		}
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		form, err := dicom.AppendHeader(nil, h)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := dicom.ParseHeader(form)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSameHeader(t, name, h, back)
	}
}

// tame fails on errors that blame us for the input.
func tame(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Exhausted) {
		t.Fatalf("not the input's fault? %v", err)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzReadHeader: no panic, bounded memory, and the index's form says the same.
func FuzzReadHeader(f *testing.F) {
	for _, file := range fixtures(f) {
		f.Add(file[:min(len(file), 8<<10)])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		lim := dicom.Limits{Header: 1 << 20, Inflated: 1 << 20, Fragments: 1 << 12, InlineBinary: 64, InlineText: 128}
		var h *dicom.Header
		var err error
		if n := allocated(func() {
			h, err = dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, lim)
		}); n > 16<<20 {
			t.Fatalf("%d bytes allocated for %d", n, len(file))
		}
		if err != nil {
			tame(t, err)
			return
		}
		form, err := dicom.AppendHeader(nil, h)
		if err != nil {
			tame(t, err)
			return
		}
		back, err := dicom.ParseHeader(form)
		if err != nil {
			t.Fatal("own form:", err)
		}
		again, err := dicom.AppendHeader(nil, back)
		if err != nil || !bytes.Equal(form, again) {
			t.Fatal("the form is not stable", err)
		}
	})
}

// FuzzParseDataset: what can be read can be written, and reads back the same.
func FuzzParseDataset(f *testing.F) {
	for _, file := range fixtures(f) {
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{})
		if err != nil || h.TransferSyntax.Deflated {
			continue
		}
		for i, ts := range natives {
			if ts.ImplicitVR == h.TransferSyntax.ImplicitVR && ts.BigEndian == h.TransferSyntax.BigEndian {
				f.Add(file[h.DatasetOffset:min(int64(len(file)), h.DatasetOffset+4096)], byte(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, which byte) {
		ts := natives[int(which)%len(natives)]
		untouched := bytes.Clone(b)
		d, err := dicom.ParseDataset(b, ts)
		if !bytes.Equal(b, untouched) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			tame(t, err)
			return
		}
		out, err := dicom.AppendDataset(nil, d, ts)
		if err != nil {
			t.Fatal(err)
		}
		again, err := dicom.ParseDataset(out, ts)
		if err != nil {
			t.Fatal("own output:", err)
		}
		if diff := difference(d, again, true); diff != "" {
			t.Fatal(diff)
		}
		stable, err := dicom.AppendDataset(nil, again, ts)
		if err != nil || !bytes.Equal(out, stable) {
			t.Fatal("writing is not stable", err)
		}
		read, err := dicom.Read(bytes.NewReader(b), dicom.Source{TransferSyntax: ts.UID}, 0)
		if err != nil {
			t.Fatal("from memory but not from a stream:", err)
		}
		if diff := difference(d, read.Dataset, true); diff != "" {
			t.Fatal("stream:", diff)
		}
	})
}

// FuzzParseHeader: the index's form may be damaged on disk.
func FuzzParseHeader(f *testing.F) {
	for _, file := range fixtures(f) {
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{InlineBinary: 64, InlineText: 64})
		if err != nil {
			f.Fatal(err)
		}
		form, err := dicom.AppendHeader(nil, h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(form[:min(len(form), 4096)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h *dicom.Header
		var err error
		if n := allocated(func() { h, err = dicom.ParseHeader(b) }); n > 4<<20+64*uint64(len(b)) {
			t.Fatalf("%d bytes allocated for %d", n, len(b))
		}
		if err != nil {
			tame(t, err)
			return
		}
		if _, err := dicom.AppendHeader(nil, h); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzConvert: agrees with parsing and writing about what can be read.
func FuzzConvert(f *testing.F) {
	for _, file := range fixtures(f) {
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{})
		if err == nil && !h.TransferSyntax.Encapsulated && !h.TransferSyntax.Deflated {
			f.Add(file[h.DatasetOffset:min(int64(len(file)), h.DatasetOffset+4096)], byte(0), byte(1))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, x, y byte) {
		from, to := natives[int(x)%len(natives)], natives[int(y)%len(natives)]
		if from == to {
			return
		}
		var out bytes.Buffer
		err := dicom.Convert(&out, bytes.NewReader(b), from, to)
		d, parsed := dicom.ParseDataset(b, from)
		if (err == nil) != (parsed == nil) {
			t.Fatalf("converted: %v, parsed: %v", err, parsed)
		}
		if err != nil {
			tame(t, err)
			return
		}
		if to.ImplicitVR && disguised(d) {
			return
		}
		got, err := dicom.ParseDataset(out.Bytes(), to)
		if err != nil {
			t.Fatal("own output:", err)
		}
		if diff := difference(d, got, from.ImplicitVR == to.ImplicitVR); diff != "" {
			t.Fatal(diff)
		}
	})
}

// disguised reports whether an explicit VR hides what the dictionary makes a sequence: without
// the VR its bytes are read as items.
func disguised(d *dicom.Dataset) (found bool) {
	d.Walk(func(_ []dicom.Step, e *dicom.Element) bool {
		found = found || e.VR != vr.SQ && e.Tag.VR() == vr.SQ && len(e.Value) > 0
		return true
	})
	return found
}
