package pr_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/iodtest"
	"github.com/aurelius-imaging/aurelius/dicom/iod/pr"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

func read(t testing.TB, d *dicom.Dataset) *pr.State {
	t.Helper()
	s, err := pr.Read(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The values are those that pydicom reads.
func TestCorpus(t *testing.T) {
	t.Parallel()
	s := read(t, iodtest.Dataset(t, "derived/pr/gsps.dcm"))
	sop := "1.2.276.0.7230010.3.1.4.665618.6496.1546453790.314808"
	if s.Kind != pr.Grayscale || s.Label != "PRESENTATION" || s.Description != "hip" || !s.Applies(sop, 1) || s.Applies("1.2", 1) || s.Inverse || s.Modality != nil {
		t.Errorf("%+v", s)
	}
	if a, ok := s.Area(sop, 1); !ok || a.TopLeft != [2]int{0, 0} || a.BottomRight != [2]int{2688, 2688} || a.Mode != "SCALE TO FIT" || a.AspectRatio != [2]int{1, 1} {
		t.Errorf("area %+v", a)
	}
	if _, voi := s.For(sop, 1); voi == nil || voi.Floats(tag.WindowCenter)[0] != 2048 {
		t.Errorf("VOI %v", voi)
	}
	text, ellipse := s.Annotations[0].Texts[0], s.Annotations[0].Graphics[0]
	if len(text.Lines) < 3 || text.Lines[0] != "Mean: 2651.41  SD: 344.29" || text.Justify != "LEFT" || text.AnchorVisible || text.Box == nil || text.Box[1][1] != float64(float32(1554.25269)) {
		t.Errorf("text %+v", text)
	}
	if ellipse.Type != "ELLIPSE" || ellipse.Units != pr.Pixel || len(ellipse.Points) != 4 || ellipse.Points[1] != (pr.Point{float64(float32(2506.85938)), float64(float32(991.422424))}) {
		t.Errorf("graphic %+v", ellipse)
	}

	s = read(t, iodtest.Dataset(t, "derived/pr/gsps-many.dcm"))
	a := s.Annotations[0]
	if len(a.Texts) != 4 || len(a.Graphics) != 2 || len(a.Graphics[0].Points) != 1903 || len(a.Graphics[1].Points) != 829 {
		t.Errorf("%d texts, %d graphics", len(a.Texts), len(a.Graphics))
	}
	if l := s.LayersByName()[a.Layer]; l.Gray != 4095 || l.HasColor || !l.HasGray {
		t.Errorf("layer %+v", l)
	}
	if a.Texts[0].Style.Color != (iod.RGB{255, 255, 255}) || !a.Texts[0].AnchorVisible || a.Texts[2].Anchor != nil {
		t.Errorf("text %+v", a.Texts[0])
	}
	if s.Areas[0].Spacing != [2]float64{0.139, 0.139} {
		t.Errorf("area %+v", s.Areas[0])
	}
}

func state(class string, set func(d *dicom.Dataset)) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetUID(tag.SOPClassUID, class)
	if set != nil {
		set(d)
	}
	return d
}

func with(set func(d *dicom.Dataset)) *dicom.Dataset { return state("", set) }

func reference(sop string, frames ...int64) *dicom.Dataset {
	return with(func(d *dicom.Dataset) {
		d.SetUID(tag.ReferencedSOPInstanceUID, sop)
		if frames != nil {
			d.SetInts(tag.ReferencedFrameNumber, frames...)
		}
	})
}

// What is for some frames is not for others.
func TestByFrame(t *testing.T) {
	t.Parallel()
	s := read(t, state(uid.GrayscaleSoftcopyPresentationStateStorage, func(d *dicom.Dataset) {
		d.SetItems(tag.ReferencedSeriesSequence, with(func(d *dicom.Dataset) {
			d.SetUID(tag.SeriesInstanceUID, "1")
			d.SetItems(tag.ReferencedImageSequence, reference("1.2"), reference("1.3", 4))
		}))
		voi := func(center float64, refs ...*dicom.Dataset) *dicom.Dataset {
			return with(func(d *dicom.Dataset) {
				d.SetFloats(tag.WindowCenter, center)
				d.SetFloats(tag.WindowWidth, 10)
				if refs != nil {
					d.SetItems(tag.ReferencedImageSequence, refs...)
				}
			})
		}
		d.SetItems(tag.SoftcopyVOILUTSequence, voi(1, reference("1.3")), voi(2, reference("1.2", 1, 2)), voi(3))
		d.SetFloats(tag.RescaleSlope, 2)
		d.SetText(tag.PresentationLUTShape, "INVERSE")
		d.SetInts(tag.ImageRotation, 270)
		d.SetText(tag.ImageHorizontalFlip, "Y")
		layer := func(name string, order int64) *dicom.Dataset {
			return with(func(d *dicom.Dataset) { d.SetText(tag.GraphicLayer, name); d.SetInts(tag.GraphicLayerOrder, order) })
		}
		d.SetItems(tag.GraphicLayerSequence, layer("ABOVE", 7), layer("BELOW", -1))
		annotation := func(layer string) *dicom.Dataset {
			return with(func(d *dicom.Dataset) { d.SetText(tag.GraphicLayer, layer) })
		}
		d.SetItems(tag.GraphicAnnotationSequence, annotation("NONE"), annotation("ABOVE"), annotation("BELOW"))
		d.SetText(tag.OverlayActivationLayer, "ABOVE")
	}))
	for _, c := range []struct {
		sop     string
		frame   int
		applies bool
		center  float64
	}{{"1.2", 1, true, 2}, {"1.2", 3, true, 3}, {"1.3", 4, true, 1}, {"1.3", 5, false, 1}} {
		modality, voi := s.For(c.sop, c.frame)
		if s.Applies(c.sop, c.frame) != c.applies || modality == nil || voi.Floats(tag.WindowCenter)[0] != c.center {
			t.Errorf("%+v: %v", c, voi.Floats(tag.WindowCenter))
		}
	}
	if s.Rotation != 270 || !s.HorizontalFlip || !s.Inverse || s.Activated[0x6000] != "ABOVE" {
		t.Errorf("%+v", s)
	}
	var order []string
	for _, a := range s.Annotations {
		order = append(order, a.Layer)
	}
	if !slices.Equal(order, []string{"BELOW", "ABOVE", "NONE"}) {
		t.Errorf("drawn in the order %v", order)
	}
}

func TestBlending(t *testing.T) {
	t.Parallel()
	s := read(t, state(uid.BlendingSoftcopyPresentationStateStorage, func(d *dicom.Dataset) {
		d.SetFloats(tag.RelativeOpacity, 0.25)
		d.SetItems(tag.BlendingSequence, with(func(d *dicom.Dataset) {
			d.SetText(tag.BlendingPosition, "SUPERIMPOSED")
			d.SetFloats(tag.RescaleSlope, 3)
			d.SetItems(tag.ReferencedSeriesSequence, with(func(d *dicom.Dataset) {
				d.SetUID(tag.SeriesInstanceUID, "1")
				d.SetItems(tag.ReferencedImageSequence, reference("1.2"))
			}))
		}))
	}))
	modality, voi := s.For("1.2", 1)
	if s.Kind != pr.Blending || !s.Blends[0].Superimposed || s.RelativeOpacity != 0.25 || !s.Applies("1.2", 1) || modality == nil || voi != nil {
		t.Errorf("%+v", s)
	}
}

func TestShutter(t *testing.T) {
	t.Parallel()
	s := read(t, state(uid.ColorSoftcopyPresentationStateStorage, func(d *dicom.Dataset) {
		d.SetText(tag.ShutterShape, "RECTANGULAR", "CIRCULAR", "POLYGONAL", "BITMAP")
		d.SetInts(tag.ShutterLeftVerticalEdge, 10)
		d.SetInts(tag.ShutterRightVerticalEdge, 20)
		d.SetInts(tag.ShutterUpperHorizontalEdge, 30)
		d.SetInts(tag.ShutterLowerHorizontalEdge, 40)
		d.SetInts(tag.CenterOfCircularShutter, 35, 15) // row, column
		d.SetInts(tag.RadiusOfCircularShutter, 5)
		d.SetInts(tag.VerticesOfThePolygonalShutter, 1, 2, 3, 4, 5, 6)
		d.SetInts(tag.ShutterOverlayGroup, 0x6002)
		d.SetInts(tag.ShutterPresentationValue, 0x8000)
	})).Shutter
	if *s.Rectangle != [4]int{10, 20, 30, 40} || *s.Circle != [3]int{15, 35, 5} || !slices.Equal(s.Polygon, [][2]int{{2, 1}, {4, 3}, {6, 5}}) ||
		s.OverlayGroup != 0x6002 || s.Gray != 0x8000 {
		t.Errorf("%+v", s)
	}
}

func graphic(kind string, values ...float64) *dicom.Dataset {
	return with(func(d *dicom.Dataset) {
		d.SetText(tag.GraphicType, kind)
		d.SetText(tag.GraphicAnnotationUnits, "PIXEL")
		d.SetFloats(tag.GraphicData, values...)
	})
}

func annotated(graphics, texts []*dicom.Dataset) *dicom.Dataset {
	return state(uid.GrayscaleSoftcopyPresentationStateStorage, func(d *dicom.Dataset) {
		d.SetItems(tag.GraphicAnnotationSequence, with(func(d *dicom.Dataset) {
			d.SetItems(tag.GraphicObjectSequence, graphics...)
			d.SetItems(tag.TextObjectSequence, texts...)
		}))
	})
}

func TestHostile(t *testing.T) {
	t.Parallel()
	short := graphic("POLYLINE", 1, 2, 3, 4)
	short.SetInts(tag.NumberOfGraphicPoints, 1)
	long := graphic("POLYLINE", 1, 2, 3, 4)
	long.SetInts(tag.NumberOfGraphicPoints, 60000)
	s := read(t, annotated([]*dicom.Dataset{graphic("CIRCLE", 1, 2), graphic("ELLIPSE", 1, 2, 3, 4), graphic("SPIRAL", 1, 2, 3, 4),
		graphic("POLYLINE", 1, math.NaN(), 3, 4), graphic("POLYLINE", 1, math.Inf(1), 3, 4), graphic("POLYLINE", 1, 1e30, 3, 4), short, long}, nil))
	if g := s.Annotations[0].Graphics; len(g) != 1 || len(g[0].Points) != 2 {
		t.Errorf("%+v", g)
	}
	million := graphic("POLYLINE")
	million.SetElement(dicom.Element{Tag: tag.GraphicData, VR: vr.FL, Value: make([]byte, 8<<20)})
	if _, err := pr.Read(annotated([]*dicom.Dataset{million, graphic("POLYLINE", 1, 2, 3, 4)}, nil)); !errs.Is(err, errs.Exhausted) {
		t.Errorf("a million points and two: %v", err)
	}
	text := with(func(d *dicom.Dataset) {
		d.SetText(tag.UnformattedTextValue, "x")
		d.SetFloats(tag.AnchorPoint, 1, 1)
	})
	if _, err := pr.Read(annotated(nil, slices.Repeat([]*dicom.Dataset{text}, pr.MaxTexts+1))); !errs.Is(err, errs.Exhausted) {
		t.Errorf("too many texts: %v", err)
	}
	vertices := with(func(d *dicom.Dataset) {
		d.SetUID(tag.SOPClassUID, uid.GrayscaleSoftcopyPresentationStateStorage)
		d.SetText(tag.ShutterShape, "POLYGONAL")
		d.SetElement(dicom.Element{Tag: tag.VerticesOfThePolygonalShutter, VR: vr.IS, Value: []byte(strings.Repeat(`1\`, 200_000))})
	})
	if _, err := pr.Read(vertices); !errs.Is(err, errs.Exhausted) {
		t.Errorf("shutter: %v", err)
	}
	for class, kind := range map[string]errs.Kind{uid.CTImageStorage: errs.Mismatch, "": errs.Mismatch,
		uid.VolumeRenderingVolumetricPresentationStateStorage: errs.Unsupported} {
		if _, err := pr.Read(state(class, nil)); !errs.Is(err, kind) {
			t.Errorf("%q: %v", class, err)
		}
	}
}

// TestManyLayers: layers are looked up by name, so that a state of 1.5 MB with as many annotations as
// layers takes no minutes.
func TestManyLayers(t *testing.T) {
	t.Parallel()
	const n = 30_000
	d := iodtest.Dataset(t, "derived/pr/gsps.dcm")
	layers, annotations := make([]*dicom.Dataset, n), make([]*dicom.Dataset, n)
	for i := range n {
		layers[i], annotations[i] = &dicom.Dataset{}, &dicom.Dataset{}
		layers[i].SetText(tag.GraphicLayer, fmt.Sprint("L", i))
		layers[i].SetInts(tag.GraphicLayerOrder, int64(i))
		annotations[i].SetText(tag.GraphicLayer, fmt.Sprint("L", n-1-i))
	}
	d.SetItems(tag.GraphicLayerSequence, layers...)
	d.SetItems(tag.GraphicAnnotationSequence, annotations...)
	s := read(t, d)
	named := s.LayersByName()
	for i, a := range s.Annotations {
		if want := fmt.Sprint("L", i); a.Layer != want || named[a.Layer].Order != i {
			t.Fatalf("annotation %d is of layer %s, want %s", i, a.Layer, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	var seeds []*dicom.Dataset
	for _, path := range []string{"derived/pr/gsps.dcm", "derived/head-ct/pr-gsps.dcm"} {
		seeds = append(seeds, iodtest.Dataset(f, path))
	}
	iodtest.Fuzz(f, seeds, func(t *testing.T, _ []byte, d *dicom.Dataset) {
		s, err := pr.Read(d)
		if err != nil {
			return
		}
		for _, a := range s.Annotations {
			for _, g := range a.Graphics {
				for _, p := range g.Points {
					if math.IsNaN(p[0]+p[1]) || math.IsInf(p[0]+p[1], 0) {
						t.Errorf("point %v", p)
					}
				}
			}
		}
		s.For("1.2", 1)
		s.Area("1.2", 1)
	})
}
