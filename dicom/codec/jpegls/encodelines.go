package jpegls

import "encoding/binary"

// lossless encodes a line of one component without error: decoder.lossless turned round.
func (e *encoder) lossless(cur, prev []uint16) {
	var (
		stat    = e.contexts
		quantum = e.quantum
		out     = e.bits
		at      = e.at
		last    = e.last
		held    = e.held
		maxval  = e.maxval
		half    = (e.maxval + 1) >> 1
		reset   = e.reset
		quick   = e.quick
		width   = len(cur) - margins
		ra      = int(cur[0])
		rb      = int(prev[0])
		rd      = int(prev[1])
		q1      = int(quantum[(rd-rb)&(gradients-1)])
	)
	prev = prev[:len(cur)]
	for x := 1; x <= width; {
		rc := rb
		rb = rd
		rd = int(prev[x+1])
		q2 := q1
		q1 = int(quantum[(rd-rb)&(gradients-1)])
		q := 9*(9*q1+q2) + int(quantum[(rc-ra)&(gradients-1)])
		if q == 0 {
			e.at, e.last, e.held = at, last, held
			x = e.runMode(cur, prev, x)
			at, last, held = e.at, e.last, e.held
			ra, rb = int(cur[x-1]), int(prev[x-1])
			if x <= width {
				rd = int(prev[x])
				q1 = int(quantum[(rd-rb)&(gradients-1)])
			}
			continue
		}
		sign := q >> 63
		s := &stat[(q^sign)-sign]
		a, b, n, k := int(s.a), int(s.b), int(s.n), s.k

		px := median(ra, rb, rc)
		px = min(max(px+((int(s.c)^sign)-sign), 0), maxval)
		ra = int(cur[x])
		x++
		d := (((ra-px)^sign)-sign+half)&maxval - half // T.87 A.4.5

		turn := d ^ (2*b+n-1)>>63&(int(k)-1)>>63 // A.5.2
		mapped := turn>>63 ^ turn<<1
		if zeros := mapped >> (k & 63); zeros < quick {
			held += zeros + 1 + int(k)
			last |= uint64(mapped+(1-zeros)<<(k&63)) << (-held & 63)
			binary.BigEndian.PutUint64(out[at:], last)
			at += held >> 3
			last <<= held & 56
			held &= 7
		} else {
			e.at, e.last, e.held = at, last, held
			e.code(mapped, k, e.limit, e.qbpp)
			at, last, held = e.at, e.last, e.held
		}
		a += (d ^ d>>63) - d>>63
		b += d
		if n == reset {
			a, b, n = a>>1, b>>1, n>>1
		}
		n++
		low, high := (b+n-1)>>63, -b>>63
		b = max(min(b+n&low-n&high, 0), 1-n)
		s.a, s.b, s.n = int32(a), int32(b), uint16(n)
		s.c = int16(min(max(int(s.c)+low-high, -128), 127))
		if a > n<<(k&31) || k != 0 && a <= n<<(k&31)>>1 {
			s.k = golomb(a, n)
		}
	}
	e.at, e.last, e.held = at, last, held
}

// nearLossless encodes a line of one component with errors, and leaves the line as it is decoded.
func (e *encoder) nearLossless(cur, prev []uint16) {
	for x := 1; x < len(cur)-1; {
		ra, rb, rc := int(cur[x-1]), int(prev[x]), int(prev[x-1])
		if q := e.gradient(ra, rb, rc, int(prev[x+1])); q != 0 {
			cur[x] = e.regular(q, ra, rb, rc, int(cur[x]))
			x++
			continue
		}
		x = e.runMode(cur, prev, x)
	}
}

// pixels encodes a line of n components that alternate.
func (e *encoder) pixels(cur, prev []uint16, n int) {
	var q [4]int
	for x := n; x < len(cur)-n; {
		some := 0
		for i := range n {
			q[i] = e.gradient(int(cur[x+i-n]), int(prev[x+i]), int(prev[x+i-n]), int(prev[x+i+n]))
			some |= q[i]
		}
		if some == 0 {
			x = e.pixelRun(cur, prev, x, n)
			continue
		}
		for i := range n {
			cur[x] = e.regular(q[i], int(cur[x-n]), int(prev[x]), int(prev[x-n]), int(cur[x]))
			x++
		}
	}
}

// regular encodes a sample in context q and returns it as it is decoded (T.87 A.4 to A.6).
func (e *encoder) regular(q, ra, rb, rc, v int) uint16 {
	sign := q >> 63
	s := &e.contexts[(q^sign)-sign]
	k := s.k
	px := max(min(ra, rb), min(max(ra, rb), ra+rb-rc))
	px = min(max(px+((int(s.c)^sign)-sign), 0), e.maxval)

	d := e.reduce(((v - px) ^ sign) - sign)
	turn := d
	if k == 0 && e.near == 0 && 2*int(s.b) <= -int(s.n) {
		turn = ^d
	}
	e.code(turn>>63^turn<<1, k, e.limit, e.qbpp)

	s.update(d, d*e.step, e.reset)
	return uint16(e.reconstruct(px, (d^sign)-sign))
}

// reduce quantizes an error and brings it into the range of mapped ones (T.87 A.4.4, A.4.5).
func (m *model) reduce(d int) int {
	if m.near > 0 {
		negative := d >> 63
		d = (m.near + (d ^ negative) - negative) * m.inverse >> 32
		d = (d ^ negative) - negative
	}
	if d < 0 {
		d += m.spread
	}
	if d >= (m.spread+1)>>1 {
		d -= m.spread
	}
	return d
}

// runLength encodes that n of the rest samples of a line are like the one before (T.87 A.7.1).
func (e *encoder) runLength(n, rest int) {
	index := e.runIndex[0]
	left := n
	for left >= 1<<orders[index&31] {
		left -= 1 << orders[index&31]
		e.put(1, 1)
		if index < 31 {
			index++
		}
	}
	e.runIndex[0] = index
	if n < rest {
		e.put(uint64(left), int(orders[index&31])+1)
	} else if left > 0 {
		e.put(1, 1)
	}
}

// runMode encodes a run and the sample that ends it (T.87 A.7) and returns the place behind.
func (e *encoder) runMode(cur, prev []uint16, x int) int {
	ra, begin, end := int(cur[x-1]), x, len(cur)-1
	for ; x < end; x++ {
		if d := int(cur[x]) - ra; d > e.near || d < -e.near {
			break
		}
		cur[x] = uint16(ra)
	}
	e.runLength(x-begin, end-begin)
	if x == end {
		return x
	}
	rb := int(prev[x])
	if d := ra - rb; d <= e.near && d >= -e.near {
		cur[x] = uint16(e.reconstruct(ra, e.interruption(1, int(cur[x])-ra)))
	} else {
		cur[x] = e.against(ra, rb, int(cur[x]))
	}
	if e.runIndex[0] > 0 {
		e.runIndex[0]--
	}
	return x + 1
}

// pixelRun is runMode for n components that alternate.
func (e *encoder) pixelRun(cur, prev []uint16, x, n int) int {
	begin, end := x, len(cur)-n
run:
	for ; x < end; x += n {
		for i := x; i < x+n; i++ {
			if d := int(cur[i]) - int(cur[i-n]); d > e.near || d < -e.near {
				break run
			}
		}
		copy(cur[x:x+n], cur[x-n:])
	}
	e.runLength((x-begin)/n, (end-begin)/n)
	if x == end {
		return x
	}
	for range n {
		cur[x] = e.against(int(cur[x-n]), int(prev[x]), int(cur[x]))
		x++
	}
	if e.runIndex[0] > 0 {
		e.runIndex[0]--
	}
	return x
}

// against encodes the sample v that ends a run of ra, by its error against the one above, and
// returns it as it is decoded.
func (e *encoder) against(ra, rb, v int) uint16 {
	if ra > rb {
		return uint16(e.reconstruct(rb, -e.interruption(0, rb-v)))
	}
	return uint16(e.reconstruct(rb, e.interruption(0, v-rb)))
}

// interruption encodes the error of a run's interruption of type t (T.87 A.7.2) and returns it
// quantized.
func (e *encoder) interruption(t, d int) int {
	d = e.reduce(d)
	r := &e.run[t]
	k := r.k(t)
	mapped := 2*max(d, -d) - t
	if d < 0 && (k != 0 || 2*r.nn >= r.n) || d > 0 && k == 0 && 2*r.nn < r.n {
		mapped--
	}
	e.code(mapped, k, e.limit-int(orders[e.runIndex[0]&31])-1, e.qbpp)
	r.update(d, mapped, t, e.reset)
	return d
}
