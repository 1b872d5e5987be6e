package render

import (
	"image"
	"image/png"
	"io"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/jpeg"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// DefaultQuality is the JPEG quality of who names none.
const DefaultQuality = 90

// fullChroma is the quality from which on colours keep every sample: below it, as most writers do,
// four pixels share theirs.
const fullChroma = 95

var buffers = sync.Pool{New: func() any { return new([2][]byte) }}

// WriteJPEG writes the picture as a baseline JPEG of a quality from 1 to 100; 0 is
// DefaultQuality.
func (p *Picture) WriteJPEG(dst io.Writer, quality int) error {
	if quality == 0 {
		quality = DefaultQuality
	}
	if quality < 1 || quality > 100 {
		return errs.Errorf(errs.Invalid, "render.WriteJPEG", "a quality is between 1 and 100")
	}
	b := buffers.Get().(*[2][]byte)
	defer buffers.Put(b)
	size := p.Image.Bounds().Size()
	f := codec.Frame{Description: codec.Description{Rows: size.Y, Columns: size.X, SamplesPerPixel: 1, BitsAllocated: 8, BitsStored: 8, HighBit: 7,
		PhotometricInterpretation: "MONOCHROME2"}}
	switch m := p.Image.(type) {
	case *image.Gray:
		f.Data = m.Pix
	case *image.RGBA:
		f.SamplesPerPixel, f.PhotometricInterpretation = 3, "RGB"
		rgb := b[0][:0]
		for pix := m.Pix; len(pix) >= 4; pix = pix[4:] {
			rgb = append(rgb, pix[0], pix[1], pix[2])
		}
		b[0], f.Data = rgb, rgb
	}
	sampling := jpeg.S420
	if quality >= fullChroma {
		sampling = jpeg.S444
	}
	encoded, err := jpeg.AppendPicture(b[1][:0], f, quality, sampling)
	b[1] = encoded
	if err != nil {
		return err
	}
	_, err = dst.Write(encoded)
	return err
}

// WritePNG writes the picture as a PNG of 8 bits a sample.
func (p *Picture) WritePNG(dst io.Writer) error {
	e := png.Encoder{CompressionLevel: png.BestSpeed} // a tenth larger, three times faster
	return e.Encode(dst, p.Image)
}
