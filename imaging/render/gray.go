package render

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"sync"

	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/imaging"
)

// gray is the greyscale pipeline of PS3.4 N.2: stored values to 8 bits.
type gray struct {
	codec.Description
	modality  imaging.Modality
	voi       *imaging.LUT    // else:
	window    *imaging.Window // else all from low to high, values of the modality
	low, high float64
	lut       *imaging.LUT // Presentation LUT
	inverse   bool
}

// at maps a stored value to 0..1.
func (g *gray) at(stored float64) float64 {
	v, p := g.modality.At(stored), 0.0
	switch w := g.window; {
	case g.voi != nil:
		p = float64(g.voi.At(v)) / g.voi.Max()
	case w == nil:
		if g.high > g.low {
			p = (v - g.low) / (g.high - g.low)
		}
	case w.Function == imaging.Sigmoid: // PS3.3 C.11.2.1.3.1
		p = 1 / (1 + math.Exp(-4*(v-w.Center)/w.Width))
	case w.Function == imaging.LinearExact: // PS3.3 C.11.2.1.3.2
		p = (v-w.Center)/w.Width + 0.5
	case v <= w.Center-0.5-(w.Width-1)/2: // PS3.3 C.11.2.1.2.1
		p = 0
	case v > w.Center-0.5+(w.Width-1)/2:
		p = 1
	default:
		p = (v-(w.Center-0.5))/(w.Width-1) + 0.5
	}
	if !(p > 0) { // NaN too
		p = 0
	}
	p = min(p, 1)
	if g.lut != nil {
		p = float64(g.lut.At(p*float64(len(g.lut.Data)-1)+float64(g.lut.First))) / g.lut.Max()
	}
	if g.inverse {
		p = 1 - p
	}
	return p
}

// bias is added before a grey level is cut to an integer, which is how DCMTK and most others do
// it: enough that 255/255 of what is stored in 8 bits is not the level below.
const bias = 1.0 / 1024

func (g *gray) byteAt(stored float64) uint8 { return uint8(g.at(stored)*255 + bias) }

// line returns the pipeline as one line over stored values, where it is one: k*v + d, clamped to
// 0..255, bias included.
func (g *gray) line() (k, d float64, ok bool) {
	if g.modality.LUT != nil || g.voi != nil || g.lut != nil {
		return 0, 0, false
	}
	switch w := g.window; {
	case w == nil:
		if g.high <= g.low {
			return 0, 0, false
		}
		k = 1 / (g.high - g.low)
		d = -g.low * k
	case w.Function == imaging.Sigmoid || w.Function != imaging.LinearExact && w.Width-1 < 1e-9:
		return 0, 0, false
	case w.Function == imaging.LinearExact:
		k = 1 / w.Width
		d = 0.5 - w.Center*k
	default:
		k = 1 / (w.Width - 1)
		d = 0.5 - (w.Center-0.5)*k
	}
	k, d = k*g.modality.Slope, k*g.modality.Intercept+d
	if g.inverse {
		k, d = -k, 1-d
	}
	k, d = k*255, d*255+bias
	return k, d, math.Abs(k) < 1e30 && math.Abs(d) < 1e30
}

// table has the byte of every word that a sample can be: bits outside of Bits Stored included.
func (g *gray) table() []uint8 {
	words := 1 << (8 * g.Width())
	bits := min(g.BitsStored, 8*g.Width())
	shift := max(min(g.HighBit+1, 8*g.Width())-bits, 0)
	values := make([]uint8, 1<<bits)
	signed := imaging.StoredRange(g.Description).Low < 0
	value := func(i int) int {
		if signed && i >= len(values)/2 {
			return i - len(values)
		}
		return i
	}
	if k, d, ok := g.line(); ok {
		for i := range values {
			v := k*float64(value(i)) + d
			values[i] = uint8(int32(min(max(v, 0), 255)))
		}
	} else {
		for i := range values {
			values[i] = g.byteAt(float64(value(i)))
		}
	}
	if len(values) == words {
		return values
	}
	out := make([]uint8, words)
	for i := range out {
		out[i] = values[i>>shift&(len(values)-1)]
	}
	return out
}

// key is the same for pipelines with the same table.
type key struct {
	bytes, stored, high       int
	signed, inverse, windowed bool
	slope, intercept          float64
	window                    imaging.Window
	low, top                  float64
	modality, voi, lut        uint64
}

var seed = maphash.MakeSeed()

func hash(l *imaging.LUT) uint64 {
	if l == nil {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(seed)
	b := binary.LittleEndian.AppendUint64(nil, uint64(l.First))
	h.Write(append(b, byte(l.Bits)))
	b = b[:0]
	for _, v := range l.Data {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	h.Write(b)
	return h.Sum64() | 1
}

func (g *gray) key() key {
	k := key{bytes: g.Width(), stored: g.BitsStored, high: g.HighBit, signed: g.PixelRepresentation == 1, inverse: g.inverse,
		slope: g.modality.Slope, intercept: g.modality.Intercept, low: g.low, top: g.high,
		modality: hash(g.modality.LUT), voi: hash(g.voi), lut: hash(g.lut)}
	if g.window != nil {
		k.windowed, k.window = true, *g.window
		k.window.Explanation = ""
	}
	return k
}

// cache keeps a bounded number of values that are dear to make: a stack of slices under one
// window makes its table once. The zero value is ready.
type cache[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	order  []K
}

const cached = 64

func (c *cache[K, V]) get(k K, create func() V) V {
	c.mu.Lock()
	v, ok := c.values[k]
	c.mu.Unlock()
	if ok {
		return v
	}
	v = create()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = make(map[K]V, cached)
	}
	if _, ok := c.values[k]; !ok {
		if len(c.order) == cached {
			delete(c.values, c.order[0])
			c.order = append(c.order[:0], c.order[1:]...)
		}
		c.order = append(c.order, k)
		c.values[k] = v
	}
	return v
}
