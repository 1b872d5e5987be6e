package codec_test

import (
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// TestDescribeApply: what is written into a header is read from it.
func TestDescribeApply(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		d     codec.Description
		pixel tag.Tag
	}{
		"grey":    {codec.Description{Rows: 3, Columns: 5, SamplesPerPixel: 1, BitsAllocated: 16, BitsStored: 12, HighBit: 15, PixelRepresentation: 1, PhotometricInterpretation: "MONOCHROME1"}, tag.PixelData},
		"colour":  {codec.Description{Rows: 3, Columns: 5, SamplesPerPixel: 3, BitsAllocated: 8, BitsStored: 8, HighBit: 7, PlanarConfiguration: 1, PhotometricInterpretation: "YBR_FULL"}, tag.PixelData},
		"bits":    {codec.Description{Rows: 3, Columns: 5, SamplesPerPixel: 1, BitsAllocated: 1, BitsStored: 1, PhotometricInterpretation: "MONOCHROME2"}, tag.PixelData},
		"doubles": {codec.Description{Rows: 3, Columns: 5, SamplesPerPixel: 1, BitsAllocated: 64, BitsStored: 64, HighBit: 63, PhotometricInterpretation: "MONOCHROME2", Float: true}, tag.DoubleFloatPixelData},
	} {
		ds := &dicom.Dataset{}
		c.d.Apply(ds)
		if got, err := codec.Describe(ds, c.pixel); err != nil || got != c.d {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.d)
		}
	}
}

// TestDescribeOldImages: what ACR-NEMA writers left out, and numbers that cannot be.
func TestDescribeOldImages(t *testing.T) {
	t.Parallel()
	ds := &dicom.Dataset{}
	if _, err := codec.Describe(ds, tag.PixelData); !errs.Is(err, errs.Invalid) {
		t.Errorf("of nothing: %v", err)
	}
	ds.SetInts(tag.Rows, 3)
	ds.SetInts(tag.Columns, 5)
	ds.SetInts(tag.BitsAllocated, 16)
	ds.SetInts(tag.BitsStored, 17)
	ds.SetInts(tag.HighBit, 2)
	want := codec.Description{Rows: 3, Columns: 5, SamplesPerPixel: 1, BitsAllocated: 16, BitsStored: 16, HighBit: 15, PhotometricInterpretation: "MONOCHROME2"}
	if got, err := codec.Describe(ds, tag.PixelData); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	ds.SetInts(tag.Rows, 65535)
	ds.SetInts(tag.Columns, 65535)
	if d, err := codec.Describe(ds, tag.PixelData); err != nil || d.Rows != 65535 {
		t.Errorf("a frame too large has no description: %v", err)
	} else if _, err := d.New(nil); !errs.Is(err, errs.Exhausted) {
		t.Errorf("memory for a frame of 8 GB: %v", err)
	}
}

// TestUsedBits looks at every sample, those at the end too.
func TestUsedBits(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 4, 5, 9} {
		for width := 1; width <= 2; width++ {
			for at := range n {
				f := codec.Frame{Description: codec.Description{BitsAllocated: 8 * width}, Data: make([]byte, n*width)}
				f.Data[at*width+width-1] = 0x10
				if got, want := f.UsedBits(), 8*width-3; got != want {
					t.Errorf("sample %d of %d in %d bytes: %d bits, want %d", at, n, width, got, want)
				}
			}
		}
	}
}
