package render

import (
	"encoding/binary"
	"image"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/codec/ycc"
	"github.com/aurelius-imaging/aurelius/imaging"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// drawColor fills dst with the frame's pixels at the same coordinates, converted to RGB (PS3.3
// C.7.6.3.1.2). It returns what they were converted from, "" when they were RGB.
func drawColor(dst *image.RGBA, f codec.Frame) (from string, err error) {
	const op = "render.color"
	if f.SamplesPerPixel != 3 || f.Width() > 2 || f.Float {
		return "", errs.Errorf(errs.Unsupported, op, "pixels of %d samples with %d bits are not shown", f.SamplesPerPixel, f.BitsAllocated)
	}
	convert := func([]uint8) {}
	switch f.PhotometricInterpretation {
	case "RGB", "YBR_ICT", "YBR_RCT": // the codecs undo the transforms of JPEG 2000
	case "YBR_FULL", "YBR_FULL_422":
		from, convert = f.PhotometricInterpretation, func(b []uint8) { ycc.ToRGB(b, b) }
	case "YBR_PARTIAL_422", "YBR_PARTIAL_420":
		from, convert = f.PhotometricInterpretation, partialToRGB
	default:
		return "", errs.Errorf(errs.Unsupported, op, "colours of %q are not shown", f.PhotometricInterpretation)
	}
	r := dst.Rect.Intersect(image.Rect(0, 0, f.Columns, f.Rows))
	bits := min(f.BitsStored, 8*f.Width())
	low := max(min(f.HighBit+1, 8*f.Width())-bits, 0)
	row := make([]uint8, 3*r.Dx())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		in := f.Data[(y*f.Columns+r.Min.X)*3*f.Width():]
		switch {
		case f.Width() == 1 && bits == 8:
			copy(row, in)
		default:
			mask := uint32(1)<<bits - 1
			for i := range row {
				var v uint32
				if f.Width() == 1 {
					v = uint32(in[i])
				} else {
					v = uint32(binary.LittleEndian.Uint16(in[2*i:]))
				}
				row[i] = uint8(((v>>low&mask)*255 + mask/2) / mask)
			}
		}
		convert(row)
		out := dst.Pix[dst.PixOffset(r.Min.X, y):][:4*r.Dx()]
		for b := row; len(b) >= 3 && len(out) >= 4; b, out = b[3:], out[4:] {
			out[0], out[1], out[2], out[3] = b[0], b[1], b[2], 255
		}
	}
	return from, nil
}

// partialToRGB converts in place samples of CCIR 601: Y from 16 to 235, Cb and Cr from 16 to 240.
func partialToRGB(b []uint8) {
	for ; len(b) >= 3; b = b[3:] {
		y, cb, cr := (int32(b[0])-16)*76309, int32(b[1])-128, int32(b[2])-128
		b[0] = shifted(y + 104597*cr)
		b[1] = shifted(y - 25675*cb - 53279*cr)
		b[2] = shifted(y + 132201*cb)
	}
}

func shifted(v int32) uint8 { return uint8(min(max((v+1<<15)>>16, 0), 255)) }

// drawPalette colours the frame's indices. With gray, those before the palette's first keep
// its grey value: the palette supplements it (PS3.3 C.7.6.19).
func drawPalette(dst *image.RGBA, f codec.Frame, p *imaging.Palette, table []uint8) error {
	if f.SamplesPerPixel != 1 || f.Width() > 2 {
		return errs.Errorf(errs.Unsupported, "render.palette", "indices of %d bits are not shown", f.BitsAllocated)
	}
	r := dst.Rect.Intersect(image.Rect(0, 0, f.Columns, f.Rows))
	for y := r.Min.Y; y < r.Max.Y; y++ {
		out := dst.Pix[dst.PixOffset(r.Min.X, y):][:4*r.Dx()]
		for x := r.Min.X; x < r.Max.X; x++ {
			w := word(f, y*f.Columns+x)
			c := [3]uint8{}
			if index := int(integer(w, f.Description)); table != nil && index < p.First {
				c = [3]uint8{table[w], table[w], table[w]}
			} else {
				c = p.At(index)
			}
			out[0], out[1], out[2], out[3] = c[0], c[1], c[2], 255
			out = out[4:]
		}
	}
	return nil
}
