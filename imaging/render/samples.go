package render

import (
	"encoding/binary"
	"image"
	"math"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/imaging"
)

// draw fills dst with the frame's pixels at the same coordinates.
func (g *gray) draw(dst *image.Gray, f codec.Frame, table []uint8) {
	r := dst.Rect.Intersect(image.Rect(0, 0, f.Columns, f.Rows))
	width := f.Width()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		out := dst.Pix[dst.PixOffset(r.Min.X, y):][:r.Dx()]
		in := f.Data[(y*f.Columns+r.Min.X)*width:][:r.Dx()*width]
		switch width {
		case 1:
			t := (*[1 << 8]uint8)(table)
			for i, v := range in {
				out[i] = t[v]
			}
		case 2:
			draw16(out, in, (*[1 << 16]uint8)(table))
		default:
			for i := range out {
				out[i] = g.byteAt(wide(in[i*width:], f.Description))
			}
		}
	}
}

// draw16 looks up samples of 16 bits, four at a time.
func draw16(out, in []uint8, t *[1 << 16]uint8) {
	for len(out) >= 4 && len(in) >= 8 {
		w := binary.LittleEndian.Uint64(in)
		v := uint32(t[uint16(w)]) | uint32(t[uint16(w>>16)])<<8 | uint32(t[uint16(w>>32)])<<16 | uint32(t[uint16(w>>48)])<<24
		binary.LittleEndian.PutUint32(out, v)
		out, in = out[4:], in[8:]
	}
	for i := range out {
		out[i] = t[binary.LittleEndian.Uint16(in[2*i:])]
	}
}

// wide reads a sample of 32 or 64 bits.
func wide(b []byte, d codec.Description) float64 {
	if d.Width() == 4 {
		u := binary.LittleEndian.Uint32(b)
		if d.Float {
			return float64(math.Float32frombits(u))
		}
		return integer(uint64(u), d)
	}
	u := binary.LittleEndian.Uint64(b)
	if d.Float {
		return math.Float64frombits(u)
	}
	return integer(u, d)
}

// integer takes a stored value out of its word: shifted, masked, its sign extended.
func integer(w uint64, d codec.Description) float64 {
	bits := min(d.BitsStored, 8*d.Width())
	w = w >> max(min(d.HighBit+1, 8*d.Width())-bits, 0) << (64 - bits)
	if imaging.StoredRange(d).Low < 0 {
		return float64(int64(w) >> (64 - bits))
	}
	return float64(w >> (64 - bits))
}

// word reads sample i as it is encoded, of up to 16 bits.
func word(f codec.Frame, i int) uint64 {
	if f.Width() == 1 {
		return uint64(f.Data[i])
	}
	return uint64(binary.LittleEndian.Uint16(f.Data[2*i:]))
}

// extent finds the values of the modality from which all but a part of the pixels at each end
// begins and ends, padding and what is no number left out; false when nothing is left.
func extent(f codec.Frame, m *imaging.Modality, padding *imaging.Range, part float64) (low, high float64, ok bool) {
	counts, value := histogram(f)
	total := int64(0)
	used := make([]int, 0, 1024) // the counts that count, by rising stored value
	for i, n := range counts {
		if n == 0 {
			continue
		}
		stored := value(i)
		v := m.At(stored)
		if padding != nil && stored >= float64(padding.Low) && stored <= float64(padding.High) || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if total == 0 {
			low, high = v, v
		}
		low, high = min(low, v), max(high, v)
		used, total = append(used, i), total+int64(n)
	}
	if part == 0 || m.LUT != nil || total == 0 { // a LUT may change the order
		return low, high, total > 0
	}
	out := int64(part * float64(total))
	first, last := 0, len(used)-1
	for seen := int64(counts[used[first]]); seen <= out && first < last; seen += int64(counts[used[first]]) {
		first++
	}
	for seen := int64(counts[used[last]]); seen <= out && last > first; seen += int64(counts[used[last]]) {
		last--
	}
	a, b := m.At(value(used[first])), m.At(value(used[last]))
	return min(a, b), max(a, b), true
}

// histogram counts stored values and says which value a count is of, in rising order. Those of
// more than 16 bits are put into as many bins, the lowest and the highest at the ends.
func histogram(f codec.Frame) (counts []int32, value func(int) float64) {
	if f.Width() > 2 {
		return binned(f)
	}
	words := make([]int32, 1<<(8*f.Width()))
	if f.Width() == 1 {
		for _, v := range f.Data {
			words[v]++
		}
	} else {
		for b := f.Data; len(b) >= 2; b = b[2:] {
			words[binary.LittleEndian.Uint16(b)]++
		}
	}
	low := int(imaging.StoredRange(f.Description).Low)
	counts = words
	if bits := min(f.BitsStored, 8*f.Width()); low < 0 || len(words) > 1<<bits {
		counts = make([]int32, 1<<bits)
		for w, n := range words {
			if n > 0 {
				counts[int(integer(uint64(w), f.Description))-low] += n
			}
		}
	}
	return counts, func(i int) float64 { return float64(low + i) }
}

func binned(f codec.Frame) (counts []int32, value func(int) float64) {
	width := f.Width()
	low, high := math.Inf(1), math.Inf(-1)
	for b := f.Data; len(b) >= width; b = b[width:] {
		if v := wide(b, f.Description); math.Abs(v) <= math.MaxFloat64 { // neither NaN nor infinite
			low, high = min(low, v), max(high, v)
		}
	}
	if !(low <= high) {
		return nil, nil
	}
	const last = 1<<16 - 1
	counts = make([]int32, last+1)
	span := high/2 - low/2 // halves do not overflow
	for b := f.Data; len(b) >= width; b = b[width:] {
		if v := wide(b, f.Description); math.Abs(v) <= math.MaxFloat64 {
			i := 0.0
			if span > 0 {
				i = (v/2 - low/2) / span * last
			}
			counts[int(i)]++
		}
	}
	return counts, func(i int) float64 {
		if i == last {
			return high
		}
		return low + float64(i)/last*span*2
	}
}
