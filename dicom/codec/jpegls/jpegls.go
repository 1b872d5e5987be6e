// Package jpegls reads and writes JPEG-LS (ITU-T T.87, ISO/IEC 14495-1; PS3.5 8.2.3, A.4.3): lossless
// (1.2.840.10008.1.2.4.80) and near-lossless (.4.81). Each decodes what the other may hold.
//
//	decoded   2 to 16 bits, 1 to 4 components in one scan or several, not interleaved, by line and by
//	          sample; any error; preset parameters; restart intervals; HP's colour transforms as CharLS
//	          has them; SPIFF and APPn passed over; no EOI, fill bytes, left-over bytes behind a scan
//	encoded   8 and 16 bits allocated, 1, 3 or 4 samples, colour by sample
//	refused   mapping tables, subsampled components, point transform, sizes elsewhere than in the
//	          frame header (DNL, LSE 4), T.870
//
// Where header and codestream differ, describe says who counts. Data that is damaged or cut off
// gives errs.Invalid and no samples.
//
// Colour is interleaved by sample because DCMTK and pydicom write it so, and CharLS reads it a
// tenth to a third faster than by line; in size neither is always better (4 % one way, 1 % the
// other on two ultrasound images). Samples of 16 bits allocated are coded in Bits Stored where they
// fit and in all 16 where they do not, negative ones that is; precision has the reasons. A frame with
// values so near the ends of their range that an error would carry them over it is coded without.
//
// The decoder removes stuffed bits from a scan first, so that its place in the scan is one number and
// a look at the next 57 bits a load and a shift. What limits it then is the chain from a sample over
// its gradient, the context and the Golomb code to the next sample. The loops that are written out
// (lossless, losslessPixels) keep that chain free of branches on the picture's content, which cost
// more than the work they save (the prediction's alone a quarter of the time), and let the Golomb
// parameter alone while it stays right. Nine tenths of the time go there.
package jpegls

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
)

// nearDefault is the error of near-lossless frames when none is asked for: below the noise of
// CT and MR, and a third to a half smaller than lossless.
const nearDefault = 2

// Codec is JPEG-LS in one of its two transfer syntaxes. Safe for concurrent use.
type Codec struct {
	syntax dicom.TransferSyntax
	lossy  bool
}

// Codecs returns the codecs of both transfer syntaxes.
func Codecs() []codec.Codec { return []codec.Codec{Lossless(), NearLossless()} }

// Lossless returns the codec of JPEG-LS Lossless Image Compression.
func Lossless() Codec { return Codec{dicom.JPEGLSLossless, false} }

// NearLossless returns the codec of JPEG-LS Lossy (Near-Lossless) Image Compression.
func NearLossless() Codec { return Codec{dicom.JPEGLSNearLossless, true} }

// TransferSyntax is the syntax that the codec is for.
func (c Codec) TransferSyntax() dicom.TransferSyntax { return c.syntax }

// Decode decodes a frame: both syntaxes alike, as the codestream says how it was coded.
func (c Codec) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	return decode(src, d, buf)
}

// Describe returns what the header has to say of encoded frames.
func (c Codec) Describe(d codec.Description, o codec.Options) (codec.Description, error) {
	return describe(d, c.near(o))
}

// Encode appends the encoded frame to dst.
func (c Codec) Encode(dst []byte, f codec.Frame, o codec.Options) ([]byte, error) {
	return encode(dst, f, c.near(o))
}

// Lossy reports whether samples may change.
func (c Codec) Lossy(codec.Options) bool { return c.lossy }

func (c Codec) near(o codec.Options) int {
	switch {
	case !c.lossy:
		return 0
	case o.Near == 0:
		return nearDefault
	}
	return o.Near
}
