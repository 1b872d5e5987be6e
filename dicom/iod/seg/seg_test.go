package seg_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/iodtest"
	"github.com/aurelius-imaging/aurelius/dicom/iod/seg"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

func dataset(t testing.TB, path string) *dicom.Dataset {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testkit.Shared(t), "data", path))
	if err != nil {
		t.Fatal(err)
	}
	h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{}, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return h.Dataset
}

func read(t testing.TB, d *dicom.Dataset) *seg.Segmentation {
	t.Helper()
	s, err := seg.Read(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What pydicom says of every segmentation of the corpus: the last segment, the last frame.
func TestCorpus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path             string
		kind             seg.Type
		frames, segments int
		label            string
		segment          int
		source           string
		z                float64
	}{
		{"seg/binary-small", seg.Binary, 8, 2, "second segment", 2, "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.96", 105.519997},
		{"seg/fractional", seg.Fractional, 3, 1, "first segment", 1, "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.96", 105.519997},
		{"seg/labelmap-a", seg.LabelMap, 2, 2, "Liver", 0, "1.2.826.0.1.3680043.2.1125.1.19132107722474319200808479400869099", -172.75},
		{"seg/liver-overlaps", seg.Binary, 7, 5, "DARK_BLUE", 5, "1.2.392.200103.20080913.113635.2.2009.6.22.21.43.10.23433.1", -128.690002},
		{"seg/petct-tumor", seg.Binary, 13, 1, "Neoplasm, Primary", 1, "1.3.6.1.4.1.14519.5.2.1.2744.7002.183347248803313455372919177780", -78.771},
		{"seg/sm-dots-tiled-full", seg.Binary, 1250, 50, "RGB(138, 151, 30)", 50, "", 0},
		{"seg/sm-dots-tiled-sparse", seg.Binary, 62, 50, "RGB(138, 151, 30)", 50, "1.2.826.0.1.3680043.9.7433.3.12857516184849951143044513877282227", 0},
		{"seg/sm-labelmap-palette", seg.LabelMap, 20, 21, "RGB(138, 154, 31)", 0, "1.2.826.0.1.3680043.9.7433.3.12857516184849951143044513877282227", 0},
		{"seg/tumor-96", seg.Binary, 96, 3, "Enhancing Lesion", 3, "1.3.6.1.4.1.14519.5.2.1.7695.4001.663930390816177929347960754103", 92.9},
		{"seg/tumor-96-deflated-frames", seg.Binary, 96, 3, "Enhancing Lesion", 3, "1.3.6.1.4.1.14519.5.2.1.7695.4001.663930390816177929347960754103", 92.9},
		{"head-ct/seg-2-segments", seg.Binary, 24, 2, "Soft tissue", 2, "1.3.12.2.1107.5.1.1.20706.20020604105555489.4", 174.5},
		{"head-ct/seg-labelmap-rle", seg.LabelMap, 6, 3, "Soft tissue", 0, "1.3.12.2.1107.5.1.1.20706.20020604105555489.4", 174.5},
	} {
		s := read(t, dataset(t, "derived/"+c.path+".dcm"))
		if s.Type != c.kind || len(s.Frames) != c.frames || len(s.Segments) != c.segments || s.Segments[c.segments-1].Label != c.label {
			t.Errorf("%s: %s, %d frames, %d segments", c.path, s.Type, len(s.Frames), len(s.Segments))
			continue
		}
		last := s.Frames[c.frames-1]
		source := ""
		if len(last.Sources) > 0 {
			source = last.Sources[0].SOPInstanceUID
		}
		if last.Segment != c.segment || source != c.source {
			t.Errorf("%s: segment %d of %s", c.path, last.Segment, source)
		}
		if last.Plane == nil || c.z != 0 && math.Abs(last.Plane.Position[2]-c.z) > 1e-9 {
			t.Errorf("%s: plane %+v", c.path, last.Plane)
		}
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	s := read(t, dataset(t, "derived/seg/labelmap-a.dcm"))
	if shown := s.Shown(); len(shown) != 1 || shown[0].Number != 1 || s.Background != 5 {
		t.Errorf("shown %+v, background %d", shown, s.Background)
	}
	liver, ok := s.Segment(1)
	if !ok || !liver.HasColor || liver.Color != (iod.RGB{217, 130, 101}) || liver.Algorithm != "SEMIAUTOMATIC" {
		t.Errorf("%+v", liver)
	}
	if _, ok := s.Segment(9); ok {
		t.Error("segment 9 is there")
	}
	if s := read(t, dataset(t, "derived/seg/binary-small.dcm")); s.Segments[0].TrackingID != "Bone" || s.Segments[0].AlgorithmName != "test" ||
		s.Segments[0].Property.Meaning != "Bone" || s.Background != -1 || len(s.Shown()) != 2 {
		t.Errorf("%+v", s.Segments[0])
	}
}

// Over every slice of its series a segmentation has the same frames by reference and by geometry,
// pixel upon pixel.
func TestOverSeries(t *testing.T) {
	t.Parallel()
	byReference := read(t, dataset(t, "derived/head-ct/seg-2-segments.dcm"))
	byGeometry := read(t, dataset(t, "derived/head-ct/seg-2-segments.dcm"))
	for i := range byGeometry.Frames {
		byGeometry.Frames[i].Sources = nil
	}
	_, slices := testkit.Corpus(t, func(s testkit.Sample) bool { return filepath.Dir(s.Path) == "ct-series/head-108" })
	covered := 0
	for _, f := range slices {
		src := seg.SourceOf(dataset(t, f.Path), 1)
		a, b := byReference.Over(src), byGeometry.Over(src)
		if len(a) != len(b) {
			t.Errorf("%s: %d frames by reference, %d by geometry", f.Path, len(a), len(b))
			continue
		}
		for i := range a {
			covered++
			if a[i].Number != b[i].Number || a[i].Map != b[i].Map {
				t.Errorf("%s: frame %d %v, by geometry %d %v", f.Path, a[i].Number, a[i].Map, b[i].Number, b[i].Map)
			}
			for k, v := range [6]float64{1, 0, 0, 0, 1, 0} {
				if math.Abs(a[i].Map[k]-v) > 1e-3 {
					t.Errorf("%s: %v", f.Path, a[i].Map)
				}
			}
		}
	}
	if covered != 24 {
		t.Errorf("%d of 24 frames lie over a slice", covered)
	}
}

func TestOverSlide(t *testing.T) {
	t.Parallel()
	// The labelled tiles name their source's frames.
	s := read(t, dataset(t, "derived/seg/sm-dots-tiled-sparse.dcm"))
	f := s.Frames[0]
	src := seg.Source{SOPInstanceUID: f.Sources[0].SOPInstanceUID, Frame: f.Sources[0].Frames[0], Rows: 10, Columns: 10}
	found := s.Over(src)
	if len(found) == 0 || found[0].Number != 1 || found[0].Map != [6]float64{1, 0, 0, 0, 1, 0} {
		t.Errorf("%+v", found)
	}
	for _, o := range found {
		if !o.Sources[0].Names(src.SOPInstanceUID, src.Frame) {
			t.Errorf("frame %d is of %+v", o.Number, o.Sources)
		}
	}
	// Those of TILED_FULL are found by where they lie: one tile shifted by half covers four.
	full := read(t, dataset(t, "derived/seg/sm-dots-tiled-full.dcm"))
	first := full.Frames[0].Plane
	shifted := *first
	shifted.Position = first.At(5, 5)
	found = full.Over(seg.Source{SOPInstanceUID: "1", Frame: 1, Rows: 10, Columns: 10, FrameOfReferenceUID: full.FrameOfReferenceUID, Plane: &shifted})
	if len(found) != 4*50 {
		t.Errorf("%d tiles of 50 segments", len(found))
	}
	for i, at := range [][2]int{{1, 1}, {11, 1}, {1, 11}, {11, 11}} {
		if o := found[i]; o.Segment != 1 || o.Column != at[0] || o.Row != at[1] || math.Abs(o.Map[2]-float64(6-at[0])) > 1e-6 || math.Abs(o.Map[5]-float64(6-at[1])) > 1e-6 {
			t.Errorf("tile %d: segment %d at %d, %d: %v", o.Number, o.Segment, o.Column, o.Row, o.Map)
		}
	}
}

// made is a segmentation of one segment on planes z apart, of half the resolution of a source with
// 20 by 20 pixels of 1 mm.
func made(frames int, z float64, change func(d *dicom.Dataset)) *dicom.Dataset {
	with := func(set func(d *dicom.Dataset)) *dicom.Dataset {
		d := &dicom.Dataset{}
		set(d)
		return d
	}
	return with(func(d *dicom.Dataset) {
		d.SetText(tag.SegmentationType, "BINARY")
		d.SetUID(tag.FrameOfReferenceUID, "1.9")
		d.SetInts(tag.Rows, 10)
		d.SetInts(tag.Columns, 10)
		d.SetInts(tag.NumberOfFrames, int64(frames))
		d.SetItems(tag.SegmentSequence, with(func(d *dicom.Dataset) { d.SetInts(tag.SegmentNumber, 1) }))
		d.SetItems(tag.SharedFunctionalGroupsSequence, with(func(d *dicom.Dataset) {
			d.SetItems(tag.PixelMeasuresSequence, with(func(d *dicom.Dataset) { d.SetFloats(tag.PixelSpacing, 2, 2); d.SetFloats(tag.SliceThickness, 4) }))
			d.SetItems(tag.PlaneOrientationSequence, with(func(d *dicom.Dataset) { d.SetFloats(tag.ImageOrientationPatient, 1, 0, 0, 0, 1, 0) }))
			d.SetItems(tag.SegmentIdentificationSequence, with(func(d *dicom.Dataset) { d.SetInts(tag.ReferencedSegmentNumber, 1) }))
		}))
		var groups []*dicom.Dataset
		for i := range frames {
			groups = append(groups, with(func(d *dicom.Dataset) {
				d.SetItems(tag.PlanePositionSequence, with(func(d *dicom.Dataset) { d.SetFloats(tag.ImagePositionPatient, 0.5, 0.5, z*float64(i)) }))
			}))
		}
		d.SetItems(tag.PerFrameFunctionalGroupsSequence, groups...)
		if change != nil {
			change(d)
		}
	})
}

func TestGeometry(t *testing.T) {
	t.Parallel()
	s := read(t, made(10, 0.5, nil))
	source := func(z float64) seg.Source {
		return seg.Source{SOPInstanceUID: "1.1", Frame: 1, Rows: 20, Columns: 20, FrameOfReferenceUID: "1.9",
			Plane: &iod.Plane{Position: iod.Vector{0, 0, z}, Right: iod.Vector{1, 0, 0}, Down: iod.Vector{0, 1, 0}, DX: 1, DY: 1, Thickness: 4}}
	}
	// Two pixels of the source in each; the nearest plane of those within a quarter slice.
	if o := s.Over(source(1.1)); len(o) != 1 || o[0].Number != 3 || o[0].Map != [6]float64{0.5, 0, -0.25, 0, 0.5, -0.25} {
		t.Errorf("%+v", o)
	}
	for name, change := range map[string]func(*seg.Source){
		"another place":              func(s *seg.Source) { s.Plane.Position[2] = 40 },
		"beside it":                  func(s *seg.Source) { s.Plane.Position[0] = 400 },
		"another direction":          func(s *seg.Source) { s.Plane.Down = iod.Vector{0, 0, 1} },
		"another frame of reference": func(s *seg.Source) { s.FrameOfReferenceUID = "1.8" },
		"no frame of reference":      func(s *seg.Source) { s.FrameOfReferenceUID = "" },
		"no plane":                   func(s *seg.Source) { s.Plane = nil },
		"no pixels":                  func(s *seg.Source) { s.Rows = 0 },
	} {
		src := source(0)
		if len(s.Over(src)) != 1 {
			t.Fatal("nothing lies over a good source")
		}
		change(&src)
		if o := s.Over(src); len(o) != 0 {
			t.Errorf("%s: %d frames", name, len(o))
		}
	}
	// Turned by a quarter in the plane.
	src := source(0)
	src.Plane.Right, src.Plane.Down = iod.Vector{0, 1, 0}, iod.Vector{1, 0, 0}
	if o := s.Over(src); len(o) != 1 || o[0].Map != [6]float64{0, 0.5, -0.25, 0.5, 0, -0.25} {
		t.Errorf("turned: %+v", o)
	}
	// A whole series named by every frame: only the frame in the source's plane counts.
	for i := range s.Frames {
		s.Frames[i].Sources = []iod.Reference{{SOPInstanceUID: "1.1"}}
	}
	if o := s.Over(source(2.1)); len(o) != 1 || o[0].Number != 5 {
		t.Errorf("named by all: %+v", o)
	}
	// Without planes the reference is all there is.
	unknown := source(0)
	unknown.Plane = nil
	if o := s.Over(unknown); len(o) != 10 || o[0].Map != [6]float64{0.5, 0, -0.25, 0, 0.5, -0.25} {
		t.Errorf("without plane: %d", len(o))
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   errs.Kind
		change func(d *dicom.Dataset)
	}{
		"more frames than groups": {errs.Invalid, func(d *dicom.Dataset) { d.SetInts(tag.NumberOfFrames, 4) }},
		"less frames than groups": {errs.Invalid, func(d *dicom.Dataset) { d.SetInts(tag.NumberOfFrames, 2) }},
		"no frames":               {errs.Invalid, func(d *dicom.Dataset) { d.SetInts(tag.NumberOfFrames, 0) }},
		"two billion frames":      {errs.Exhausted, func(d *dicom.Dataset) { d.SetInts(tag.NumberOfFrames, math.MaxInt32) }},
		"no such segment":         {errs.Invalid, func(d *dicom.Dataset) { d.Delete(tag.SegmentSequence) }},
		"no rows":                 {errs.Invalid, func(d *dicom.Dataset) { d.Delete(tag.Rows) }},
		"no type":                 {errs.Mismatch, func(d *dicom.Dataset) { d.Delete(tag.SegmentationType) }},
		"no groups":               {errs.Invalid, func(d *dicom.Dataset) { d.Delete(tag.PerFrameFunctionalGroupsSequence) }},
		"tiles that do not fit": {errs.Invalid, func(d *dicom.Dataset) {
			d.Delete(tag.PerFrameFunctionalGroupsSequence)
			d.SetText(tag.DimensionOrganizationType, "TILED_FULL")
			d.SetInts(tag.TotalPixelMatrixRows, 1)
			d.SetInts(tag.TotalPixelMatrixColumns, math.MaxInt32)
		}},
	} {
		if _, err := seg.Read(made(3, 1, c.change)); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := read(t, made(3, 1, func(d *dicom.Dataset) {
		d.Items(tag.PerFrameFunctionalGroupsSequence)[1].Items(tag.PlanePositionSequence)[0].SetText(tag.ImagePositionPatient, "NaN", "1", "2")
	}))
	if s.Frames[1].Plane != nil || s.Frames[2].Plane == nil {
		t.Error("a plane at NaN")
	}
}

func FuzzRead(f *testing.F) {
	seeds := []*dicom.Dataset{made(3, 1, nil)}
	for _, path := range []string{"derived/seg/binary-small.dcm", "derived/seg/labelmap-a.dcm"} {
		seeds = append(seeds, dataset(f, path))
	}
	iodtest.Fuzz(f, seeds, func(t *testing.T, _ []byte, d *dicom.Dataset) {
		s, err := seg.Read(d)
		if err != nil {
			return
		}
		for i, f := range s.Frames {
			if _, ok := s.Segment(f.Segment); !ok && s.Type != seg.LabelMap || f.Number != i+1 {
				t.Errorf("frame %d is %d of segment %d", i+1, f.Number, f.Segment)
			}
		}
		src := seg.SourceOf(d, 1)
		src.SOPInstanceUID += ".1"
		for _, o := range s.Over(src) {
			for _, v := range o.Map {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("map %v", o.Map)
				}
			}
		}
	})
}
