// Package jpegls reads and writes JPEG-LS (ITU-T T.87, ISO/IEC 14495-1; PS3.5 8.2.3, A.4.3).
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
