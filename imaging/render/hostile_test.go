package render_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/imaging/render"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// overlay sets an overlay of these bits.
func overlay(group uint16, rows, columns int, kind string, bits ...byte) func(*dicom.Dataset) {
	return func(ds *dicom.Dataset) {
		number := func(element uint16, v int) {
			ds.SetElement(dicom.Element{Tag: tag.New(group, element), VR: vr.US, Value: []byte{byte(v), byte(v >> 8)}})
		}
		number(0x0010, rows)
		number(0x0011, columns)
		ds.SetElement(dicom.Element{Tag: tag.New(group, 0x0040), VR: vr.CS, Value: []byte(kind + " ")})
		ds.SetElement(dicom.Element{Tag: tag.New(group, 0x3000), VR: vr.OW, Value: bits})
	}
}

// tried renders what may be anything: an error of a kind that the doors know, or a picture.
func tried(t testing.TB, ds *dicom.Dataset, data []byte, o render.Options) {
	t.Helper()
	fail := func(err error) bool {
		if err == nil {
			return false
		}
		switch errs.KindOf(err) {
		case errs.Invalid, errs.Unsupported, errs.Exhausted, errs.NotFound:
		default:
			t.Errorf("kind %v: %v", errs.KindOf(err), err)
		}
		return true
	}
	pixelData := tag.PixelData
	if ds.Has(tag.FloatPixelData) {
		pixelData = tag.FloatPixelData
	}
	m, err := imaging.Read(ds, pixelData, 2, func(*dicom.Element) ([]byte, error) { return data, nil })
	if fail(err) {
		return
	}
	if n, err := m.Size(); err != nil || n > 1<<16 {
		return
	}
	f, err := m.New(nil)
	if fail(err) {
		return
	}
	copy(f.Data, data)
	for n := 1; n <= 2; n++ {
		p, err := new(render.Renderer).Render(m, n, f, o)
		if fail(err) {
			continue
		}
		_ = p.Applied.JSON()
		_ = p.Applied.String()
		if size := p.Image.Bounds().Size(); size.X*size.Y <= 1<<16 {
			fail(p.WriteJPEG(io.Discard, 0))
			fail(p.WriteGIF(io.Discard))
		}
	}
	m.FrameTimes()
}

// TestHostileHeaders puts nonsense into every attribute that counts.
func TestHostileHeaders(t *testing.T) {
	values := [][]byte{nil, {0}, {1, 0}, {255, 255}, []byte("NaN "), []byte("-1e300"), []byte(`1e300\0\-5`), []byte("0 "), bytes.Repeat([]byte{255}, 6),
		{0, 0, 0, 0x80, 16, 0}, {2, 0, 0, 0, 200, 0}, bytes.Repeat([]byte{2, 0}, 200)}
	tags := []tag.Tag{tag.RescaleSlope, tag.RescaleIntercept, tag.WindowCenter, tag.WindowWidth, tag.VOILUTFunction, tag.PixelPaddingValue,
		tag.PixelPaddingRangeLimit, tag.BitsStored, tag.HighBit, tag.PixelRepresentation, tag.SamplesPerPixel, tag.BitsAllocated, tag.Rows, tag.PixelSpacing,
		tag.PixelAspectRatio, tag.RedPaletteColorLookupTableDescriptor, tag.GreenPaletteColorLookupTableData, tag.SegmentedBluePaletteColorLookupTableData,
		tag.ICCProfile, tag.FrameTime, tag.FrameTimeVector, tag.CineRate, tag.LUTDescriptor, tag.LUTData, tag.PhotometricInterpretation,
		tag.New(0x6000, 0x0010), tag.New(0x6000, 0x0011), tag.New(0x6000, 0x0050), tag.New(0x6000, 0x0051), tag.New(0x6000, 0x0015), tag.New(0x6000, 0x0102), tag.New(0x6000, 0x3000)}
	palette := codectest.Grey(8, 8, 8, 8, 0)
	palette.PhotometricInterpretation = "PALETTE COLOR"
	bases := []codec.Description{codectest.Grey(8, 8, 12, 16, 1), codectest.Color(8, 8, 8, 8, "YBR_FULL"), palette, codectest.Grey(8, 8, 32, 32, 0)}
	for _, d := range bases {
		for _, at := range tags {
			for _, v := range values {
				ds := new(dicom.Dataset)
				d.Apply(ds)
				overlay(0x6000, 8, 8, "R", bytes.Repeat([]byte{0x55}, 8)...)(ds)
				for _, p := range []tag.Tag{tag.RedPaletteColorLookupTableDescriptor, tag.GreenPaletteColorLookupTableDescriptor, tag.BluePaletteColorLookupTableDescriptor} {
					ds.SetElement(dicom.Element{Tag: p, VR: vr.US, Value: []byte{4, 0, 0, 0, 8, 0}})
				}
				for _, p := range []tag.Tag{tag.RedPaletteColorLookupTableData, tag.GreenPaletteColorLookupTableData, tag.BluePaletteColorLookupTableData} {
					ds.SetElement(dicom.Element{Tag: p, VR: vr.OW, Value: []byte{1, 2, 3, 4}})
				}
				item := new(dicom.Dataset)
				item.SetElement(dicom.Element{Tag: tag.LUTDescriptor, VR: vr.US, Value: []byte{2, 0, 0, 0, 8, 0}})
				item.SetElement(dicom.Element{Tag: tag.LUTData, VR: vr.OW, Value: []byte{1, 2}})
				info := at.VR()
				switch at {
				case tag.LUTDescriptor, tag.LUTData:
					item.SetElement(dicom.Element{Tag: at, VR: info, Value: v})
					ds.SetItems(tag.ModalityLUTSequence, item)
					ds.SetItems(tag.VOILUTSequence, item.Clone())
				default:
					ds.SetElement(dicom.Element{Tag: at, VR: info, Value: v})
				}
				t.Run(fmt.Sprintf("%s %s %q", d.PhotometricInterpretation, at, v), func(t *testing.T) { tried(t, ds, v, render.Options{}) })
			}
		}
	}
}

// FuzzRender makes a header of arbitrary attributes and a frame of arbitrary samples.
func FuzzRender(f *testing.F) {
	for _, d := range []codec.Description{codectest.Grey(8, 8, 12, 16, 1), codectest.Color(4, 4, 8, 8, "YBR_FULL_422"), codectest.Grey(9, 7, 1, 1, 0)} {
		ds := new(dicom.Dataset)
		d.Apply(ds)
		windows(ds)
		overlay(0x6000, 8, 8, "G", make([]byte, 8)...)(ds)
		item := new(dicom.Dataset)
		item.SetElement(dicom.Element{Tag: tag.LUTDescriptor, VR: vr.US, Value: []byte{2, 0, 0, 0, 8, 0}})
		item.SetElement(dicom.Element{Tag: tag.LUTData, VR: vr.OW, Value: []byte{1, 2}})
		ds.SetItems(tag.VOILUTSequence, item)
		group := new(dicom.Dataset)
		group.SetItems(tag.PixelValueTransformationSequence, new(dicom.Dataset))
		ds.SetItems(tag.SharedFunctionalGroupsSequence, group)
		for _, p := range []tag.Tag{tag.RedPaletteColorLookupTableDescriptor, tag.GreenPaletteColorLookupTableDescriptor, tag.BluePaletteColorLookupTableDescriptor} {
			ds.SetElement(dicom.Element{Tag: p, VR: vr.US, Value: []byte{4, 0, 0, 0, 16, 0}})
		}
		for _, p := range []tag.Tag{tag.SegmentedRedPaletteColorLookupTableData, tag.SegmentedGreenPaletteColorLookupTableData, tag.SegmentedBluePaletteColorLookupTableData} {
			ds.SetElement(dicom.Element{Tag: p, VR: vr.OW, Value: []byte{0, 0, 1, 0, 1, 1, 1, 0, 2, 0, 3, 3}})
		}
		ds.SetText(tag.PixelPresentation, "COLOR")
		b, err := dicom.AppendDataset(nil, ds, dicom.ExplicitVRLittleEndian)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, codectest.Draw(d, "natural").Data, uint16(5), uint16(5), 1.0, -3.0)
	}
	f.Fuzz(func(t *testing.T, header, data []byte, width, height uint16, x, w float64) {
		ds, err := dicom.ParseDataset(header, dicom.ExplicitVRLittleEndian)
		if err != nil {
			return
		}
		o := render.Options{}
		if width > 0 {
			o.Viewport = &render.Viewport{Width: int(width) % 300, Height: int(height) % 300, Region: &render.Region{X: x, Y: x, Width: w, Height: w}}
		}
		if height%2 == 1 {
			o.Windowing = render.Percentile
		}
		tried(t, ds, data, o)
	})
}
