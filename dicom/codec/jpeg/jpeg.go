// Package jpeg decodes and encodes the DCT processes of ITU-T T.81 (JPEG) as PS3.5 8.2.1 and A.4.1
// use them.
//
//	transfer syntax       process                                  decode  encode
//	1.2.840.10008.1.2.4.50 baseline, 8 bits                        yes     grey, YBR_FULL_422 (4:2:2), YBR_FULL
//	1.2.840.10008.1.2.4.51 extended sequential, 8 and 12 bits      yes     the same, and grey of 9 to 12 bits
//	1.2.840.10008.1.2.4.53 spectral selection, 8 and 12 bits       yes     no (retired)
//	1.2.840.10008.1.2.4.55 full progression, 8 and 12 bits         yes     no (retired)
//
// Whatever the syntax says, each of these codestreams is decoded under each: progressive ones are
// found under baseline. Grey and colour; sampling factors that divide the largest ones, as 4:4:4,
// 4:2:2, 4:2:0, 4:4:0, 4:1:1; scans interleaved or not; restart intervals; tables of 8 and 16
// bits, also missing Huffman tables. A lossless codestream (SOF3) is handed to jpeglossless.
// Arithmetic coding, hierarchical images and four components are errs.Unsupported.
//
// Samples are those of libjpeg-turbo's default decoder bit for bit: its accurate integer inverse
// DCT and its triangle filter for chroma. They stay in the codestream's colour space; package ycc
// has the conversion. Quantisation, forward DCT, colour conversion and reduction of chroma are
// libjpeg's too, as is the choice of Huffman codes, so that an encoded frame is the file that
// libjpeg would write.
//
// Where the time goes: in grey frames and 4:4:4 half to the entropy-coded bits and half to the inverse
// DCT; in subsampled ones two fifths to the filter. bench/codec compares with DCMTK and libjpeg-turbo,
// BenchmarkPicture with image/jpeg.
package jpeg

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
)

// Baseline returns the codec of process 1. Like the others it is safe for concurrent use; a decoder
// keeps its tables, and planes up to 32 MB, for the next frame.
func Baseline() codec.Encoder { return writer{reader{dicom.JPEGBaseline}, jpegstream.SOF0, 8} }

// Extended returns the codec of processes 2 and 4.
func Extended() codec.Encoder { return writer{reader{dicom.JPEGExtended}, jpegstream.SOF1, 12} }

// Spectral returns the codec of processes 6 and 8.
func Spectral() codec.Codec { return retired("1.2.840.10008.1.2.4.53") }

// Progressive returns the codec of processes 10 and 12.
func Progressive() codec.Codec { return retired("1.2.840.10008.1.2.4.55") }

// Codecs returns all of them.
func Codecs() []codec.Codec {
	return []codec.Codec{Baseline(), Extended(), Spectral(), Progressive()}
}

func retired(uid string) codec.Codec {
	ts, _ := dicom.LookupTransferSyntax(uid)
	return reader{ts}
}

type reader struct{ ts dicom.TransferSyntax }

func (r reader) TransferSyntax() dicom.TransferSyntax { return r.ts }

func (r reader) Decode(src []byte, d codec.Description, buf []byte) (codec.Frame, error) {
	return decode(src, d, buf)
}
