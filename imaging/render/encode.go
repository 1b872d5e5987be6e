package render

import (
	"image/jpeg"
	"image/png"
	"io"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// DefaultQuality is the JPEG quality of who names none.
const DefaultQuality = 90

// WriteJPEG writes the picture as a baseline JPEG of a quality from 1 to 100; 0 is
// DefaultQuality.
func (p *Picture) WriteJPEG(dst io.Writer, quality int) error {
	if quality == 0 {
		quality = DefaultQuality
	}
	if quality < 1 || quality > 100 {
		return errs.Errorf(errs.Invalid, "render.WriteJPEG", "a quality is between 1 and 100")
	}
	return jpeg.Encode(dst, p.Image, &jpeg.Options{Quality: quality})
}

// WritePNG writes the picture as a PNG of 8 bits a sample.
func (p *Picture) WritePNG(dst io.Writer) error {
	e := png.Encoder{CompressionLevel: png.BestSpeed} // a tenth larger, three times faster
	return e.Encode(dst, p.Image)
}
