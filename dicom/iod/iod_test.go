package iod_test

import (
	"math"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

func item(set func(d *dicom.Dataset)) *dicom.Dataset {
	d := &dicom.Dataset{}
	set(d)
	return d
}

// lab is the way there: sRGB by IEC 61966-2-1, its primaries adapted to D50 by Bradford's matrix
// (as in the ICC's sRGB profiles), CIE 1976 L*a*b*, encoded by PS3.3 C.10.7.1.1.
func lab(c iod.RGB) (l, a, b uint16) {
	var v [3]float64
	for i := range v {
		if v[i] = float64(c[i]) / 255; v[i] <= 0.04045 {
			v[i] /= 12.92
		} else {
			v[i] = math.Pow((v[i]+0.055)/1.055, 2.4)
		}
	}
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4360747*v[0] + 0.3850649*v[1] + 0.1430804*v[2]) / 0.9642)
	y := f(0.2225045*v[0] + 0.7168786*v[1] + 0.0606169*v[2])
	z := f((0.0139322*v[0] + 0.0971045*v[1] + 0.7141733*v[2]) / 0.8249)
	encode := func(v float64) uint16 { return uint16(math.Round(min(max(v, 0), 65535))) }
	return encode((116*y - 16) / 100 * 65535), encode((500*(x-y) + 128) / 255 * 65535), encode((200*(y-z) + 128) / 255 * 65535)
}

func TestCIELab(t *testing.T) {
	t.Parallel()
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				want := iod.RGB{uint8(r), uint8(g), uint8(b)}
				if got := iod.CIELab(lab(want)); got != want {
					t.Errorf("%v came back as %v", want, got)
				}
			}
		}
	}
	// Of a published object (SlicerLab, SNOMED "Liver"), as littleCMS has it.
	if got := iod.CIELab(41661, 41167, 40792); got != (iod.RGB{217, 130, 101}) {
		t.Errorf("%v", got)
	}
	// Beyond sRGB: the nearest corner.
	if got := iod.CIELab(65535, 0, 0xFFFF); got[1] != 255 || got[2] != 0 {
		t.Errorf("%v", got)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	instance := func(uid string, frames ...int64) *dicom.Dataset {
		return item(func(d *dicom.Dataset) {
			d.SetUID(tag.ReferencedSOPInstanceUID, uid)
			if frames != nil {
				d.SetInts(tag.ReferencedFrameNumber, frames...)
			}
		})
	}
	d := item(func(d *dicom.Dataset) {
		d.SetItems(tag.CurrentRequestedProcedureEvidenceSequence, item(func(study *dicom.Dataset) {
			study.SetUID(tag.StudyInstanceUID, "1.2")
			study.SetItems(tag.ReferencedSeriesSequence, item(func(series *dicom.Dataset) {
				series.SetUID(tag.SeriesInstanceUID, "1.3")
				series.SetItems(tag.ReferencedSOPSequence, instance("1.4"), instance("1.5", 2, 7, -1), &dicom.Dataset{})
			}))
		}))
	})
	refs := iod.ReadHierarchy(d, tag.CurrentRequestedProcedureEvidenceSequence)
	if len(refs) != 2 || refs[1].StudyInstanceUID != "1.2" || refs[1].SeriesInstanceUID != "1.3" || !slices.Equal(refs[1].Frames, []int{2, 7}) {
		t.Fatalf("%+v", refs)
	}
	for _, c := range []struct {
		uid   string
		frame int
		want  bool
	}{{"1.4", 9, true}, {"1.5", 7, true}, {"1.5", 1, false}, {"1.6", 1, false}} {
		if got := iod.Named(refs, c.uid, c.frame); got != c.want {
			t.Errorf("Named(%s, %d) = %v", c.uid, c.frame, got)
		}
	}
	if !iod.Named(nil, "1.6", 1) {
		t.Error("no references do not mean all")
	}
}

// An image lies where its own functional groups say, then the shared ones, then the top level; a
// tile of TILED_FULL where its order puts it.
func TestPlane(t *testing.T) {
	t.Parallel()
	ct := item(func(d *dicom.Dataset) {
		d.SetFloats(tag.ImagePositionPatient, -10, 20, 30)
		d.SetFloats(tag.ImageOrientationPatient, 0, 1, 0, 0, 0, -1)
		d.SetFloats(tag.PixelSpacing, 2, 0.5)
		d.SetFloats(tag.SliceThickness, 3)
	})
	p := iod.ReadPlane(ct, 1)
	if p == nil || p.At(4, 3) != (iod.Vector{-10, 22, 24}) || p.Thickness != 3 || p.Normal() != (iod.Vector{-1, 0, 0}) {
		t.Fatalf("%+v", p)
	}
	if c, r := p.Pixel(iod.Vector{-7, 22, 24}); c != 4 || r != 3 {
		t.Errorf("pixel %v, %v", c, r)
	}
	slide := item(func(d *dicom.Dataset) {
		d.SetInts(tag.Rows, 10)
		d.SetInts(tag.Columns, 20)
		d.SetInts(tag.TotalPixelMatrixRows, 25)
		d.SetInts(tag.TotalPixelMatrixColumns, 50)
		d.SetText(tag.DimensionOrganizationType, "TILED_FULL")
		d.SetFloats(tag.ImageOrientationSlide, 0, -1, 0, -1, 0, 0)
		d.SetItems(tag.TotalPixelMatrixOriginSequence, item(func(o *dicom.Dataset) {
			o.SetFloats(tag.XOffsetInSlideCoordinateSystem, 25)
			o.SetFloats(tag.YOffsetInSlideCoordinateSystem, 50)
		}))
		d.SetItems(tag.SharedFunctionalGroupsSequence, item(func(g *dicom.Dataset) {
			g.SetItems(tag.PixelMeasuresSequence, item(func(m *dicom.Dataset) { m.SetFloats(tag.PixelSpacing, 0.1, 0.1) }))
		}))
	})
	// Three tiles a row, three rows: tile 14 is the fifth of the second plane.
	if c, r, ok := iod.TilePosition(slide, 14); !ok || c != 21 || r != 11 {
		t.Errorf("tile 14 at %d, %d", c, r)
	}
	if p := iod.ReadPlane(slide, 14); p == nil || math.Abs(p.Position[0]-24) > 1e-9 || math.Abs(p.Position[1]-48) > 1e-9 {
		t.Errorf("tile 14: %+v", p)
	}
}

func TestImpossiblePlane(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(d *dicom.Dataset){
		"no spacing":    func(d *dicom.Dataset) { d.SetFloats(tag.PixelSpacing, 0, 0) },
		"two numbers":   func(d *dicom.Dataset) { d.SetFloats(tag.ImagePositionPatient, 1, 2) },
		"far away":      func(d *dicom.Dataset) { d.SetFloats(tag.ImagePositionPatient, 1e300, 2, 3) },
		"no directions": func(d *dicom.Dataset) { d.SetFloats(tag.ImageOrientationPatient, 0, 0, 0, 0, 0, 0) },
		"one direction": func(d *dicom.Dataset) { d.SetFloats(tag.ImageOrientationPatient, 1, 0, 0, 1, 0, 0) },
	} {
		d := item(func(d *dicom.Dataset) {
			d.SetFloats(tag.ImagePositionPatient, 1, 2, 3)
			d.SetFloats(tag.ImageOrientationPatient, 1, 0, 0, 0, 1, 0)
			d.SetFloats(tag.PixelSpacing, 1, 1)
		})
		if iod.ReadPlane(d, 1) == nil {
			t.Fatal("a good plane is none")
		}
		spoil(d)
		if p := iod.ReadPlane(d, 1); p != nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}
