// Package all is the registry of every codec there is: the one place that names them.
package all

import (
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/deflate"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeglossless"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpegls"
	"github.com/aurelius-imaging/aurelius/dicom/codec/native"
	"github.com/aurelius-imaging/aurelius/dicom/codec/rle"
)

// Codecs returns the registry. Immutable; make it once.
func Codecs() *codec.Registry {
	return codec.NewRegistry(slices.Concat(
		jpeg.Codecs(),
		jpeglossless.Codecs(),
		jpegls.Codecs(),
		native.Codecs(),
		[]codec.Codec{deflate.Codec{}, rle.Codec{}},
	)...)
}
