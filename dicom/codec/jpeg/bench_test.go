package jpeg_test

import (
	"bytes"
	"image"
	stdjpeg "image/jpeg"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom/codec/codectest"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/dicom/codec/ycc"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// contents are images of the corpus, those of 8 bits first.
var contents = []string{
	"syntaxes/ct-all/jpeg-baseline.dcm", "multiframe/xa-96-jpeg.dcm", "syntaxes/colour/monochrome1-jpeg-cr.dcm", "multiframe/us-34-jpeg.dcm",
	"syntaxes/colour/jpeg-icon-xc.dcm", "syntaxes/colour/secondary-jpeg-ybr.dcm", "wsi/cmu1-perframe/level-0.dcm",
	"syntaxes/ct-all/jpeg-extended12.dcm", "syntaxes/wg04/nm1-jply.dcm", "syntaxes/wg04/xa1-jply.dcm", "syntaxes/ct-all/jpeg-progressive12-retired.dcm",
}

func BenchmarkCodec(b *testing.B) {
	codectest.Bench(b, jpeg.Extended(), contents...)
}

// BenchmarkPicture holds pictures for browsers to those of image/jpeg: RGB or grey, quality 90, 4:2:0.
func BenchmarkPicture(b *testing.B) {
	for _, path := range contents[:7] {
		m := codectest.Open(b, testkit.Shared(b), "data", path)
		f, err := jpeg.Baseline().Decode(m.Encoded(b, 1), m.Description, nil)
		if err != nil {
			b.Fatal(err)
		}
		var picture image.Image = &image.Gray{Pix: f.Data, Stride: f.Columns, Rect: image.Rect(0, 0, f.Columns, f.Rows)}
		f.PhotometricInterpretation = "MONOCHROME2"
		if f.SamplesPerPixel == 3 {
			ycc.ToRGB(f.Data, f.Data)
			f.PhotometricInterpretation = "RGB"
			rgba := image.NewRGBA(picture.Bounds())
			for i := range f.Rows * f.Columns {
				copy(rgba.Pix[4*i:], f.Data[3*i:3*i+3])
				rgba.Pix[4*i+3] = 255
			}
			picture = rgba
		}
		b.Run("ours/"+path, func(b *testing.B) {
			var dst []byte
			codectest.Measure(b, len(f.Data), func() (err error) { dst, err = jpeg.AppendPicture(dst[:0], f, 90, jpeg.S420); return err })
		})
		b.Run("image/"+path, func(b *testing.B) {
			var dst bytes.Buffer
			codectest.Measure(b, len(f.Data), func() error {
				dst.Reset()
				return stdjpeg.Encode(&dst, picture, &stdjpeg.Options{Quality: 90})
			})
		})
	}
}
