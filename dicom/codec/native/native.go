// Package native is the codec of samples that are not compressed (PS3.5 8.1): Implicit and
// Explicit VR Little Endian, Explicit VR Big Endian, Deflated Explicit VR Little Endian and
// Encapsulated Uncompressed, which differ only in what is around a frame. Frames come in little
// endian and begin on a byte, as archive.OpenFrame hands them out.
//
//	Bits Allocated          1 to 64, packed without gaps where they are no whole bytes
//	float, double           as they are
//	Planar Configuration    0, and 1 turned into 0
//	YBR_FULL_422,           expanded to three samples per pixel, each chrominance sample twice;
//	YBR_PARTIAL_422         frames that have all samples in spite of the name are taken as such
//	YBR_PARTIAL_420         refused: PS3.3 C.7.6.3.1.2 gives native frames of it no order
//
// Nearly every frame is one copy, at the speed of memory. Encoded frames begin on a byte; who
// puts frames of single bits one behind the other has to shift those that follow (PS3.5 8.1.1).
package native

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Codec decodes and encodes the frames of one native transfer syntax. Safe for concurrent use.
type Codec struct{ syntax dicom.TransferSyntax }

var _ codec.Encoder = Codec{}

// Codecs returns the codec of each native transfer syntax.
func Codecs() []codec.Codec {
	return []codec.Codec{
		Codec{dicom.ImplicitVRLittleEndian}, Codec{dicom.ExplicitVRLittleEndian}, Codec{dicom.ExplicitVRBigEndian},
		Codec{dicom.DeflatedExplicitVRLittleEndian}, Codec{dicom.EncapsulatedUncompressed},
	}
}

// TransferSyntax implements codec.Codec.
func (c Codec) TransferSyntax() dicom.TransferSyntax { return c.syntax }

// Decode implements codec.Codec. Bytes behind the frame are ignored.
func (Codec) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	const op = "native.Decode"
	size, err := d.Size()
	if err != nil {
		return codec.Frame{}, err
	}
	have, half := len(src), false
	if need := EncodedSize(d); have < need {
		if d.PhotometricInterpretation == "YBR_PARTIAL_420" && have >= need/2 {
			return codec.Frame{}, errs.Errorf(errs.Unsupported, op, "the order of native YBR_PARTIAL_420 samples is not defined")
		}
		if half = subsampled(d) && have >= need/3*2; !half {
			return codec.Frame{}, errs.Errorf(errs.Invalid, op, "the frame has %d bytes, its description needs %d", have, need)
		}
	}
	planar := d.PlanarConfiguration == 1 && d.SamplesPerPixel > 1
	d = d.Full()
	if whole(d) && !planar && !half {
		return codec.Frame{Description: d, Data: append(buf[:0], src[:size]...)}, nil
	}
	f, err := d.Over(buf)
	if err != nil {
		return f, err
	}
	switch {
	case half:
		expand422(f, src)
	case !planar:
		unpack(f, src, 0, 0, 1)
	case whole(d):
		interleave(f, src)
	default:
		plane := d.Rows * d.Columns * d.BitsAllocated
		for s := range d.SamplesPerPixel {
			unpack(f, src, s*plane, s, d.SamplesPerPixel)
		}
	}
	return f, nil
}

// EncodedSize returns the bytes of a frame with all its samples. The description must have a Size.
func EncodedSize(d codec.Description) int {
	return int((int64(d.Rows)*int64(d.Columns)*int64(d.SamplesPerPixel)*int64(d.BitsAllocated) + 7) / 8)
}

// whole reports whether a sample has as many bits in a native frame as in a codec.Frame.
func whole(d codec.Description) bool { return d.BitsAllocated == 8*d.Width() }

// subsampled reports whether d's native frames have one chrominance sample for two pixels, which
// may stand on both sides of a row's end; columns are even in good images.
func subsampled(d codec.Description) bool {
	p := d.PhotometricInterpretation
	return (p == "YBR_FULL_422" || p == "YBR_PARTIAL_422") && d.SamplesPerPixel == 3 && whole(d) && d.Rows*d.Columns%2 == 0
}

// expand422 gives both pixels of Y1 Y2 CB CR their chrominance (PS3.3 C.7.6.3.1.2).
func expand422(f codec.Frame, src []byte) {
	w := f.Width()
	if w > 1 {
		for out := f.Data; len(out) >= 6*w; out, src = out[6*w:], src[4*w:] {
			copy(out, src[:w])
			copy(out[w:], src[2*w:4*w])
			copy(out[3*w:], src[w:4*w])
		}
		return
	}
	for out := f.Data; len(out) >= 6 && len(src) >= 4; out, src = out[6:], src[4:] {
		b, r := src[2], src[3]
		out[0], out[1], out[2] = src[0], b, r
		out[3], out[4], out[5] = src[1], b, r
	}
}

// interleave turns colour by plane into colour by pixel.
func interleave(f codec.Frame, src []byte) {
	n, w := f.Rows*f.Columns, f.Width()
	if f.SamplesPerPixel == 3 && w == 1 {
		r, g, b := src[:n], src[n:][:n], src[2*n:][:n]
		out := f.Data
		for i := range r {
			o := out[3*i : 3*i+3 : 3*i+3]
			o[0], o[1], o[2] = r[i], g[i], b[i]
		}
		return
	}
	pixel := f.SamplesPerPixel * w
	for s := range f.SamplesPerPixel {
		plane := src[s*n*w:][:n*w]
		for at := s * w; len(plane) > 0; at, plane = at+pixel, plane[w:] {
			copy(f.Data[at:at+w], plane)
		}
	}
}

// Describe implements codec.Encoder.
func (c Codec) Describe(d codec.Description, _ codec.Options) (codec.Description, error) {
	if err := d.Uncoded("native.Describe"); err != nil {
		return d, err
	}
	_, err := d.Size()
	return d.Full(), err
}

// Lossy implements codec.Encoder.
func (Codec) Lossy(codec.Options) bool { return false }

// Encode implements codec.Encoder.
func (c Codec) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	if _, err := c.Describe(f.Description, o); err != nil {
		return dst, err
	}
	if err := f.Check("native.Encode"); err != nil {
		return dst, err
	}
	if whole(f.Description) {
		return append(dst, f.Data...), nil
	}
	return pack(dst, f), nil
}
