package jpegls

import "math/bits"

// params are what a scan is coded with: the preset parameters (T.87 C.2.4.1.1) and NEAR.
type params struct {
	maxval, t1, t2, t3, reset, near int
}

// defaults returns the parameters of T.87 C.2.4.1.1.1 for samples of 0 to maxval.
func defaults(maxval, near int) params {
	clamp := func(i, low int) int { // figure C.3: out of range is low, not the nearer end
		if i > maxval || i < low {
			return low
		}
		return i
	}
	p := params{maxval: maxval, near: near, reset: 64}
	if maxval >= 128 {
		factor := (min(maxval, 4095) + 128) >> 8
		p.t1 = clamp(factor*(3-2)+2+3*near, near+1)
		p.t2 = clamp(factor*(7-3)+3+5*near, p.t1)
		p.t3 = clamp(factor*(21-4)+4+7*near, p.t2)
		return p
	}
	factor := 256 / (maxval + 1)
	p.t1 = clamp(max(2, 3/factor+3*near), near+1)
	p.t2 = clamp(max(3, 7/factor+5*near), p.t1)
	p.t3 = clamp(max(4, 21/factor+7*near), p.t2)
	return p
}

// context holds the statistics of one context (T.87 A.2.1) and, as they change once where they
// are read often, the Golomb parameter that follows from them (A.5.1). 16 bytes: four in a cache
// line.
type context struct {
	a, b int32
	c    int16
	n    uint16 // up to RESET
	k    uint32
}

// update is T.87 A.6 for an error e of the context, which changes the bias by b.
func (s *context) update(e, b, reset int) {
	a, n := int(s.a)+(e^e>>63)-e>>63, int(s.n)
	b += int(s.b)
	if n == reset {
		a, b, n = a>>1, b>>1, n>>1
	}
	n++
	low, high := (b+n-1)>>63, -b>>63
	b = max(min(b+n&low-n&high, 0), 1-n)
	s.a, s.b, s.n = int32(a), int32(b), uint16(n)
	s.c = int16(min(max(int(s.c)+low-high, -128), 127))
	if k := s.k; a > n<<(k&31) || k != 0 && a <= n<<(k&31)>>1 {
		s.k = golomb(a, n)
	}
}

// runContext holds the statistics of a run's interruption (T.87 A.7.2).
type runContext struct {
	a, n, nn int
}

// orders are J of T.87 A.2.1: log2 of the length of the run that a bit stands for.
var orders = [32]uint8{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15}

const (
	contexts  = 365     // T.87 A.3.4: 9*9*9 gradients, their signs merged
	gradients = 1 << 17 // differences of two samples, modulo their number
	margins   = 2       // samples beside a line, one at each end
	longest   = 39      // zeros before a code's one that the quick paths take: 56 bits with it and what follows
)

// model is the state that encoder and decoder share: T.87 A.2 and A.8.
type model struct {
	params
	spread    int // RANGE: how many values an error has
	step      int // 2*NEAR+1
	inverse   int // 1/step in 32 bits, rounded up: exact for what is below 2^32/step
	qbpp      int // bits of a mapped error
	limit     int // longest code
	quick     int // zeros before a code's one from which on it is no plain code, or too long to read at once
	contexts  *[contexts]context
	run       [2]runContext
	runIndex  [4]int           // of each component that has lines of its own
	quantized params           // what quantum was made for
	quantum   *[gradients]int8 // gradient, modulo its size -> -4 to 4 (A.3.3)
	lines     []uint16         // the line being coded and the one above, with margins
}

// begin prepares the model for a scan.
func (m *model) begin(p params) {
	m.params = p
	m.step = 2*p.near + 1
	m.inverse = (1<<32 + p.near*2) / m.step
	m.spread = (p.maxval+2*p.near)/m.step + 1
	m.qbpp = bits.Len(uint(m.spread - 1))
	bpp := max(2, bits.Len(uint(p.maxval)))
	m.limit = 2 * (bpp + max(8, bpp))
	m.quick = min(m.limit-m.qbpp-1, longest)
	if m.contexts == nil {
		m.contexts, m.quantum = new([contexts]context), new([gradients]int8)
	}
	if m.quantized != p {
		m.quantize()
	}
}

// quantize makes the table of gradients (T.87 A.3.3). The decoder meets the same parameters over
// and over: the table is kept with the model.
func (m *model) quantize() {
	p := m.params
	m.quantized = p
	for d := range p.maxval + 1 {
		var q int8
		switch {
		case d <= p.near:
		case d < p.t1:
			q = 1
		case d < p.t2:
			q = 2
		case d < p.t3:
			q = 3
		default:
			q = 4
		}
		m.quantum[-d&(gradients-1)] = -q
		m.quantum[d] = q
	}
}

// restart sets the statistics to their first values, at a scan's begin and after each restart marker
// (T.87 A.2.1, A.8).
func (m *model) restart() {
	a := max(2, (m.spread+32)>>6)
	for i := range m.contexts {
		m.contexts[i] = context{a: int32(a), n: 1, k: golomb(a, 1)}
	}
	m.run = [2]runContext{{a: a, n: 1}, {a: a, n: 1}}
	m.runIndex = [4]int{}
	clear(m.lines)
}

// golomb returns the smallest k for which n<<k >= a (T.87 A.5.1).
func golomb(a, n int) uint32 {
	k := max(bits.Len32(uint32(a))-bits.Len32(uint32(n)), 0)
	return uint32(k - (n<<(k&31)-a)>>63)
}

// k returns the Golomb parameter of a run's interruption of type t (T.87 A.7.2.1).
func (r *runContext) k(t int) uint32 { return golomb(r.a+(r.n>>1)*t, r.n) }

// update is T.87 A.7.2.2: errval was coded as mapped.
func (r *runContext) update(errval, mapped, t, reset int) {
	if errval < 0 {
		r.nn++
	}
	r.a += (mapped + 1 - t) >> 1
	if r.n == reset {
		r.a, r.n, r.nn = r.a>>1, r.n>>1, r.nn>>1
	}
	r.n++
}

// median predicts a sample by the edge detector (T.87 A.4.1): the middle one of the left, the upper
// and their plane's. Without branches, which the compiler makes of min and max here.
func median(ra, rb, rc int) int {
	d := ra - rb
	d &= d >> 63
	low, high := rb+d, ra-d
	over := ra + rb - rc - low
	under := high - low - over&^(over>>63)
	return high - under&^(under>>63)
}
