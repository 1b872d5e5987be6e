package jpegls

import "math/bits"

// lossless decodes a line of one component in the common case: no error allowed, and all values
// of the sample's bits in use. It is the codec's inner loop, written out: nothing is called but
// in runs and for codes of unusual length, nothing branches on the picture's content otherwise.
func (d *decoder) lossless(cur, prev []uint16, component int) error {
	var (
		stat    = d.contexts
		quantum = d.quantum
		data    = d.bits
		pos     = d.pos
		width   = len(cur) - margins
		ra      = int(cur[0])
		rb      = int(prev[0])
		rd      = int(prev[1])
		q1      = int(quantum[(rd-rb)&(gradients-1)])
	)
	maxval, reset, quick := d.maxval, d.reset, d.quick
	prev = prev[:len(cur)]
	for x := 1; x <= width; {
		rc := rb
		rb = rd
		rd = int(prev[x+1])
		q2 := q1 // the gradient beside
		q1 = int(quantum[(rd-rb)&(gradients-1)])
		q := 9*(9*q1+q2) + int(quantum[(rc-ra)&(gradients-1)])
		if q == 0 {
			d.pos = pos
			next, err := d.runMode(cur, prev, x, component)
			if err != nil {
				return err
			}
			x, pos = next, d.pos
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
		// T.87 A.4: predicted by the edges, corrected by the context's bias.
		px := median(ra, rb, rc)
		px = min(max(px+((int(s.c)^sign)-sign), 0), maxval)

		w := peek(data, pos)
		zeros := bits.LeadingZeros64(w)
		var v int
		if zeros < quick {
			v = int(w<<(zeros&63)>>(^k&63)) + (zeros-1)<<(k&63)
			pos += zeros + 1 + int(k)
		} else {
			d.pos = pos
			if v = d.code(k, d.limit, d.qbpp); v < 0 {
				return errTruncated
			}
			pos = d.pos
		}
		// T.87 A.5.2: the mapping is turned round where k is 0 and the bias is low.
		e := v>>1 ^ -(v & 1) ^ (2*b+n-1)>>63&(int(k)-1)>>63
		// T.87 A.6
		a += (e ^ e>>63) - e>>63
		b += e
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

		ra = (px + (e ^ sign) - sign) & maxval
		cur[x] = uint16(ra)
		x++
	}
	d.pos = pos
	return nil
}

// nearLossless decodes a line of one component whatever its parameters.
func (d *decoder) nearLossless(cur, prev []uint16, component int) error {
	width := len(cur) - margins
	ra := int(cur[0])
	for x := 1; x <= width; {
		rb, rc, rd := int(prev[x]), int(prev[x-1]), int(prev[x+1])
		q := d.gradient(ra, rb, rc, rd)
		if q == 0 {
			next, err := d.runMode(cur, prev, x, component)
			if err != nil {
				return err
			}
			x = next
			ra = int(cur[x-1])
			continue
		}
		if ra = d.regular(q, ra, rb, rc); ra < 0 {
			return errTruncated
		}
		cur[x] = uint16(ra)
		x++
	}
	return nil
}

// gradient returns the context of a sample (T.87 A.3), negative where its sign is.
func (m *model) gradient(ra, rb, rc, rd int) int {
	return 81*int(m.quantum[(rd-rb)&(gradients-1)]) + 9*int(m.quantum[(rb-rc)&(gradients-1)]) + int(m.quantum[(rc-ra)&(gradients-1)])
}

// pixels decodes a line of n components that alternate (T.87 A.1, B.3).
func (d *decoder) pixels(cur, prev []uint16, n int) error {
	var q [4]int
	for x := n; x < len(cur)-n; {
		some := 0
		for i := range q[:n] {
			q[i] = d.gradient(int(cur[x+i-n]), int(prev[x+i]), int(prev[x+i-n]), int(prev[x+i+n]))
			some |= q[i]
		}
		if some == 0 {
			next, err := d.pixelRun(cur, prev, x, n)
			if err != nil {
				return err
			}
			x = next
			continue
		}
		for _, q := range q[:n] {
			v := d.regular(q, int(cur[x-n]), int(prev[x]), int(prev[x-n]))
			if v < 0 {
				return errTruncated
			}
			cur[x] = uint16(v)
			x++
		}
	}
	return nil
}

// losslessPixels is lossless for three components that alternate, as most colour comes. They often
// have one context, and colour of instruments is smooth: what seldom changes is behind branches
// here, so that one sample need not wait for the one before.
func (d *decoder) losslessPixels(cur, prev []uint16) error {
	const n = 3
	var (
		q       [n]int
		stat    = d.contexts
		quantum = d.quantum
		data    = d.bits
		pos     = d.pos
	)
	prev = prev[:len(cur)]
	for x := n; x < len(cur)-n; {
		above := (*[3 * n]uint16)(prev[x-n:])
		here := (*[2 * n]uint16)(cur[x-n:])
		some := 0
		for i := range q {
			ra, rc, rb, rd := int(here[i]), int(above[i]), int(above[i+n]), int(above[i+2*n])
			q[i] = 81*int(quantum[(rd-rb)&(gradients-1)]) + 9*int(quantum[(rb-rc)&(gradients-1)]) + int(quantum[(rc-ra)&(gradients-1)])
			some |= q[i]
		}
		if some == 0 {
			d.pos = pos
			next, err := d.pixelRun(cur, prev, x, n)
			if err != nil {
				return err
			}
			x, pos = next, d.pos
			continue
		}
		for i := range q {
			ra, rc, rb := int(here[i]), int(above[i]), int(above[i+n])
			sign := q[i] >> 63
			s := &stat[(q[i]^sign)-sign]
			px := max(min(ra, rb), min(max(ra, rb), ra+rb-rc))
			px = min(max(px+((int(s.c)^sign)-sign), 0), d.maxval)

			k := s.k
			w := peek(data, pos)
			zeros := bits.LeadingZeros64(w)
			var v int
			if zeros < d.quick {
				v = int(w<<(zeros&63)>>(^k&63)) + (zeros-1)<<(k&63)
				pos += zeros + 1 + int(k)
			} else {
				d.pos = pos
				if v = d.code(k, d.limit, d.qbpp); v < 0 {
					return errTruncated
				}
				pos = d.pos
			}
			e := v>>1 ^ -(v & 1)
			b, n1 := int(s.b), int(s.n)
			if k == 0 && 2*b <= -n1 {
				e = ^e
			}
			here[i+n] = uint16((px + (e ^ sign) - sign) & d.maxval)

			a := int(s.a) + (e ^ e>>63) - e>>63
			b += e
			if n1 == d.reset {
				a, b, n1 = a>>1, b>>1, n1>>1
			}
			n1++
			if b+n1 <= 0 {
				b = max(b+n1, 1-n1)
				s.c = max(s.c-1, -128)
			} else if b > 0 {
				b = min(b-n1, 0)
				s.c = min(s.c+1, 127)
			}
			s.a, s.b, s.n = int32(a), int32(b), uint16(n1)
			if a > n1<<(k&31) || k != 0 && a <= n1<<(k&31)>>1 {
				s.k = golomb(a, n1)
			}
		}
		x += n
	}
	d.pos = pos
	return nil
}

// regular decodes a sample in context q (T.87 A.4 to A.6); -1 says that the data ends.
func (d *decoder) regular(q, ra, rb, rc int) int {
	sign := q >> 63
	s := &d.contexts[(q^sign)-sign]
	k := s.k
	px := max(min(ra, rb), min(max(ra, rb), ra+rb-rc))
	px = min(max(px+((int(s.c)^sign)-sign), 0), d.maxval)

	w := peek(d.bits, d.pos)
	zeros := bits.LeadingZeros64(w)
	var v int
	if zeros < d.quick {
		v = int(w<<(zeros&63)>>(^k&63)) + (zeros-1)<<(k&63)
		d.pos += zeros + 1 + int(k)
	} else if v = d.code(k, d.limit, d.qbpp); v < 0 {
		return -1
	}
	e := v>>1 ^ -(v & 1)
	if k == 0 && d.near == 0 && 2*int(s.b) <= -int(s.n) {
		e = ^e
	}
	s.update(e, e*d.step, d.reset)
	return d.reconstruct(px, (e^sign)-sign)
}

// reconstruct adds an error to a prediction (T.87 A.4.4, A.4.5).
func (m *model) reconstruct(px, e int) int {
	v := px + e*m.step
	if v < -m.near {
		v += m.spread * m.step
	} else if v > m.maxval+m.near {
		v -= m.spread * m.step
	}
	return min(max(v, 0), m.maxval)
}

// runLength decodes how many of the rest samples of a line are like the one before (T.87 A.7.1).
func (d *decoder) runLength(component, rest int) (int, error) {
	index := d.runIndex[component]
	n := 0
	for {
		if d.truncated() {
			return 0, errTruncated
		}
		ones := bits.LeadingZeros64(^peek(d.bits, d.pos))
		if ones > 56 {
			ones = 56 // what is behind is of the next look
		}
		for i := range ones {
			step := 1 << orders[index&31]
			if step > rest-n {
				d.pos += i + 1
				d.runIndex[component] = index
				return rest, nil
			}
			n += step
			if index < 31 {
				index++
			}
			if n == rest {
				d.pos += i + 1
				d.runIndex[component] = index
				return rest, nil
			}
		}
		d.pos += ones
		if ones < 56 {
			break
		}
	}
	d.pos++
	d.runIndex[component] = index
	n += d.value(int(orders[index&31]))
	if n > rest {
		return 0, invalid("a run is longer than its line")
	}
	return n, nil
}

// runMode decodes a run and the sample that ends it (T.87 A.7) and returns the place behind.
func (d *decoder) runMode(cur, prev []uint16, x, component int) (int, error) {
	rest := len(cur) - 1 - x
	n, err := d.runLength(component, rest)
	if err != nil {
		return 0, err
	}
	ra := cur[x-1]
	run := cur[x : x+n]
	for i := range run {
		run[i] = ra
	}
	x += n
	if n == rest {
		return x, nil
	}
	v, rb := int(ra), int(prev[x])
	if v-rb <= d.near && rb-v <= d.near {
		e, err := d.interruption(1, component)
		if err != nil {
			return 0, err
		}
		v = d.reconstruct(v, e)
	} else {
		e, err := d.interruption(0, component)
		if err != nil {
			return 0, err
		}
		if v > rb {
			e = -e
		}
		v = d.reconstruct(rb, e)
	}
	cur[x] = uint16(v)
	if d.runIndex[component] > 0 {
		d.runIndex[component]--
	}
	return x + 1, nil
}

// pixelRun is runMode for n components that alternate: the pixel that ends a run is coded as
// its components' errors against the pixel above.
func (d *decoder) pixelRun(cur, prev []uint16, x, n int) (int, error) {
	rest := (len(cur)-x)/n - 1
	length, err := d.runLength(0, rest)
	if err != nil {
		return 0, err
	}
	for end := x + length*n; x < end; x++ {
		cur[x] = cur[x-n]
	}
	if length == rest {
		return x, nil
	}
	for range n {
		e, err := d.interruption(0, 0)
		if err != nil {
			return 0, err
		}
		if cur[x-n] > prev[x] {
			e = -e
		}
		cur[x] = uint16(d.reconstruct(int(prev[x]), e))
		x++
	}
	if d.runIndex[0] > 0 {
		d.runIndex[0]--
	}
	return x, nil
}

// interruption decodes the error of a run's interruption of type t (T.87 A.7.2).
func (d *decoder) interruption(t, component int) (int, error) {
	r := &d.run[t]
	k := r.k(t)
	mapped := d.code(k, d.limit-int(orders[d.runIndex[component]&31])-1, d.qbpp)
	if mapped < 0 {
		return 0, errTruncated
	}
	e := (mapped + t + 1) >> 1
	if odd := (mapped+t)&1 == 1; odd == (k != 0 || 2*r.nn >= r.n) {
		e = -e
	}
	r.update(e, mapped, t, d.reset)
	return e, nil
}
