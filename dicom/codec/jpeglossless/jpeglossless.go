// Package jpeglossless decodes and encodes JPEG lossless frames: process 14 of ITU-T T.81, Annex H
// (PS3.5 8.2.1, A.4.2), in its two transfer syntaxes, any predictor (1.2.840.10008.1.2.4.57) and
// predictor 1 alone (.4.70).
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
