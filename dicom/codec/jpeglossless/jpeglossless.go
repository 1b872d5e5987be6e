// Package jpeglossless decodes and encodes JPEG lossless frames: process 14 of ITU-T T.81, Annex H
// (PS3.5 8.2.1, A.4.2), in its two transfer syntaxes, any predictor (1.2.840.10008.1.2.4.57) and
// predictor 1 alone (.4.70). Each decodes what the other may hold.
//
//	decoded   2 to 16 bits, 1 to 4 components, all predictors and point transforms, one scan or
//	          several, restart intervals of whole rows, 16-bit differences (SSSS = 16), fill bytes,
//	          left-over bytes between segments and behind the image, no EOI, rows by DNL
//	encoded   8 and 16 bits allocated, 1, 3 or 4 samples; Huffman tables made for the frame
//	refused   subsampled components, arithmetic coding, hierarchical images, DCT processes
//
// Where header and codestream differ, resolve says who counts. Data that is damaged or cut off gives
// errs.Invalid and no samples, where DCMTK and GDCM warn and fill up with zeros. Two deviations that
// DCMTK has switches for are read by the standard, as it does without them: overflow in predictor 6,
// and the difference 32768 with extra bits of Cornell's encoder, which a valid codestream may look like.
//
// Decoding a row is two passes: differences are read into a line that stays in the nearest cache, and
// then summed up into the frame. The first takes three quarters of the time (grey 16-bit CT), the chain
// from a look into the Huffman table over the shift by its length to the next look; the second a
// fifth. Encoding reads the frame twice, to count categories and to write them.
package jpeglossless

import (
	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
)

type process14 struct{ syntax dicom.TransferSyntax }

// Process14 returns the codec of JPEG Lossless, Non-Hierarchical (Process 14). Its encoder takes
// the predictor that suits the frame best.
func Process14() codec.Encoder { return process14{dicom.JPEGLossless} }

// SV1 returns the codec of JPEG Lossless, First-Order Prediction (Process 14, Selection Value 1).
func SV1() codec.Encoder { return process14{dicom.JPEGLosslessSV1} }

// Codecs returns the codecs of both syntaxes.
func Codecs() []codec.Codec { return []codec.Codec{Process14(), SV1()} }

func (c process14) TransferSyntax() dicom.TransferSyntax { return c.syntax }

// Lossy reports false: no point transform is ever applied.
func (process14) Lossy(codec.Options) bool { return false }
