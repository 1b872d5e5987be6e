package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// MaxFrame bounds the samples of one decoded frame in bytes. The largest frames of practice,
// mammograms and radiographs, have half of it; what is larger, a whole slide in one frame, goes
// out as it is stored. Decoding takes two to three times as much.
const MaxFrame = 128 << 20

// Description is what an image says of the samples of its frames (PS3.3 C.7.6.3.1).
type Description struct {
	Rows, Columns             int
	SamplesPerPixel           int
	BitsAllocated             int // 1, 8, 12, 16, 32, 64
	BitsStored                int
	HighBit                   int
	PixelRepresentation       int // 0: unsigned, 1: two's complement
	PlanarConfiguration       int // 1: colour by plane; of native and RLE frames only
	PhotometricInterpretation string
	Float                     bool // Float or Double Float Pixel Data
}

// Frame is a decoded frame. Data holds every sample in Width bytes, little endian, colour by
// pixel, rows from the top and from the left: also where a native frame would pack its bits or
// leave chrominance out. Bits above Bits Stored are as they were encoded.
type Frame struct {
	Description
	Data []byte
}

// Width returns the bytes of a sample in a Frame: 1 for up to 8 bits, 2 for up to 16, 4, 8.
func (d Description) Width() int {
	switch {
	case d.BitsAllocated <= 8:
		return 1
	case d.BitsAllocated <= 16:
		return 2
	case d.BitsAllocated <= 32:
		return 4
	}
	return 8
}

// Size returns the bytes of a Frame; errs.Invalid when the description is none, errs.Exhausted
// above MaxFrame.
func (d Description) Size() (int, error) {
	const op = "codec.Size"
	for _, a := range [...]struct {
		value, max int
		name       string
	}{
		{d.Rows, math.MaxUint16, "Rows"}, {d.Columns, math.MaxUint16, "Columns"},
		{d.SamplesPerPixel, math.MaxUint16, "Samples per Pixel"}, {d.BitsAllocated, 64, "Bits Allocated"},
	} {
		if a.value < 1 || a.value > a.max {
			return 0, errs.Errorf(errs.Invalid, op, "%s is missing or out of range", a.name)
		}
	}
	// Below 2^51: no product here overflows.
	n := int64(d.Rows) * int64(d.Columns) * int64(d.SamplesPerPixel) * int64(d.Width())
	if n > MaxFrame {
		return 0, errs.Errorf(errs.Exhausted, op, "a frame of %d bytes is more than is decoded here", n)
	}
	return int(n), nil
}

// New returns a zeroed frame of the description in buf's memory where that is enough.
func (d Description) New(buf []byte) (Frame, error) {
	f, err := d.Over(buf)
	clear(f.Data)
	return f, err
}

// Over is New for who writes every sample: they are whatever buf had.
func (d Description) Over(buf []byte) (Frame, error) {
	n, err := d.Size()
	if err != nil {
		return Frame{}, err
	}
	d.PlanarConfiguration = 0
	if cap(buf) < n {
		return Frame{d, make([]byte, n)}, nil
	}
	return Frame{d, buf[:n]}, nil
}

// Full is the description of frames like d in a syntax that leaves no chrominance out, and stores
// colours as they are: YBR_FULL_422 is YBR_FULL there, as a Frame has all samples of it and keeps
// them (PS3.3 C.7.6.3.1.2).
func (d Description) Full() Description {
	if d.PhotometricInterpretation == "YBR_FULL_422" {
		d.PhotometricInterpretation = "YBR_FULL"
	}
	d.PlanarConfiguration = 0
	return d
}

// Uncoded refuses what native and RLE frames cannot say of their samples: names of samples that
// another compression has transformed (PS3.5 8.2.2, 8.2.4), or from which it leaves some out.
func (d Description) Uncoded(op string) error {
	switch p := d.PhotometricInterpretation; p {
	case "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB":
		return errs.Errorf(errs.Unsupported, op, "frames that are not compressed, or by RLE, cannot have %s samples", p)
	}
	return nil
}

// Check returns errs.Invalid when the frame has other samples than it says.
func (f Frame) Check(op string) error {
	n, err := f.Size()
	if err == nil && n != len(f.Data) {
		err = errs.Errorf(errs.Invalid, op, "a frame of %d bytes has %d", n, len(f.Data))
	}
	return err
}

// UsedBits returns how many bits of a sample's word, of up to 16, any sample has in use: more than
// Bits Stored where a sign is extended or overlays lie above.
func (f Frame) UsedBits() int {
	var used uint64
	b := f.Data
	for ; len(b) >= 8; b = b[8:] {
		used |= binary.LittleEndian.Uint64(b)
	}
	for ; len(b) >= 2; b = b[2:] {
		used |= uint64(binary.LittleEndian.Uint16(b))
	}
	if len(b) > 0 {
		used |= uint64(b[0])
	}
	used |= used >> 32
	used |= used >> 16
	if f.Width() == 1 {
		return bits.Len8(uint8(used | used>>8))
	}
	return bits.Len16(uint16(used))
}

// Describe reads the description from an image's attributes. What old writers leave out has its
// only sensible value; errs.Invalid names what is missing otherwise. pixelData is the element
// that holds the frames.
func Describe(ds *dicom.Dataset, pixelData tag.Tag) (Description, error) {
	number := func(t tag.Tag, absent int) int {
		if n, ok := ds.Int(t); ok {
			return int(min(max(n, -1), math.MaxInt32))
		}
		return absent
	}
	d := Description{
		Rows:                      number(tag.Rows, 0),
		Columns:                   number(tag.Columns, 0),
		BitsAllocated:             number(tag.BitsAllocated, 0),
		PixelRepresentation:       number(tag.PixelRepresentation, 0) & 1,
		PlanarConfiguration:       number(tag.PlanarConfiguration, 0) & 1,
		PhotometricInterpretation: strings.ToUpper(strings.TrimSpace(ds.Text(tag.PhotometricInterpretation))),
	}
	switch pixelData {
	case tag.FloatPixelData:
		d.BitsAllocated, d.Float = 32, true
	case tag.DoubleFloatPixelData:
		d.BitsAllocated, d.Float = 64, true
	}
	absent := 0
	if p := d.PhotometricInterpretation; p == "" || strings.HasPrefix(p, "MONOCHROME") || strings.HasPrefix(p, "PALETTE") {
		absent = 1 // ACR-NEMA images, which knew no colour, have no such element
	}
	d.SamplesPerPixel = number(tag.SamplesPerPixel, absent)
	if d.PhotometricInterpretation == "" {
		d.PhotometricInterpretation = "MONOCHROME2"
		if d.SamplesPerPixel == 3 {
			d.PhotometricInterpretation = "RGB"
		}
	}
	d.BitsStored = number(tag.BitsStored, d.BitsAllocated)
	if d.BitsStored < 1 || d.BitsStored > d.BitsAllocated {
		d.BitsStored = d.BitsAllocated
	}
	d.HighBit = number(tag.HighBit, d.BitsStored-1)
	if d.HighBit < d.BitsStored-1 || d.HighBit >= d.BitsAllocated {
		d.HighBit = d.BitsStored - 1
	}
	_, err := d.Size()
	if errs.Is(err, errs.Exhausted) { // a frame too large to decode has a description all the same
		err = nil
	}
	return d, err
}

// Apply writes the description into an image's attributes.
func (d Description) Apply(ds *dicom.Dataset) {
	ds.SetText(tag.PhotometricInterpretation, d.PhotometricInterpretation)
	ds.SetInts(tag.SamplesPerPixel, int64(d.SamplesPerPixel))
	ds.SetInts(tag.Rows, int64(d.Rows))
	ds.SetInts(tag.Columns, int64(d.Columns))
	ds.SetInts(tag.BitsAllocated, int64(d.BitsAllocated))
	if d.SamplesPerPixel > 1 {
		ds.SetInts(tag.PlanarConfiguration, int64(d.PlanarConfiguration))
	} else {
		ds.Delete(tag.PlanarConfiguration)
	}
	if d.Float { // the others have no meaning then (PS3.3 C.7.6.24)
		return
	}
	ds.SetInts(tag.BitsStored, int64(d.BitsStored))
	ds.SetInts(tag.HighBit, int64(d.HighBit))
	ds.SetInts(tag.PixelRepresentation, int64(d.PixelRepresentation))
}
