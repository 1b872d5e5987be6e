// Package jpegls reads and writes JPEG-LS (ITU-T T.87, ISO/IEC 14495-1; PS3.5 8.2.3, A.4.3).
package jpegls

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
)

// Codec is JPEG-LS in one of its two transfer syntaxes.
type Codec struct{ syntax dicom.TransferSyntax }

// Lossless returns the codec of JPEG-LS Lossless Image Compression.
func Lossless() Codec { return Codec{dicom.JPEGLSLossless} }

// NearLossless returns the codec of JPEG-LS Lossy (Near-Lossless) Image Compression.
func NearLossless() Codec { return Codec{dicom.JPEGLSNearLossless} }

// TransferSyntax is the syntax that the codec is for.
func (c Codec) TransferSyntax() dicom.TransferSyntax { return c.syntax }

// Decode decodes a frame: both syntaxes alike, as the codestream says how it was coded.
func (c Codec) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	return decode(src, d, buf)
}
