package jpeg

import (
	"math/bits"

	"github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"
)

// progressiveScan decodes a scan of the progressive process (T.81 G.2) into the coefficients.
func (dec *decoder) progressiveScan() (jpegstream.Bits, error) {
	var b jpegstream.Bits
	s := &dec.stream
	c := s.Scan
	dec.eobrun = 0
	switch {
	case c.Ss > c.Se || c.Se > 63 || c.Ss == 0 && c.Se > 0 || c.Ss > 0 && c.N > 1:
		return b, invalid("a progressive scan of coefficients %d to %d", c.Ss, c.Se)
	case c.Al > 13 || c.Ah > 0 && c.Al != c.Ah-1:
		return b, invalid("successive approximation from %d to %d", c.Ah, c.Al)
	}
	for _, sc := range c.Components[:c.N] {
		comp := &dec.comps[sc.Index]
		table := comp.dc
		if c.Ss > 0 {
			table = comp.ac
		} else {
			comp.scanned = true
		}
		if c.Ss == 0 && c.Ah > 0 { // bits as they are
			continue
		}
		if err := table.Ready(); err != nil {
			return b, err
		}
	}
	return dec.mcus(func(b jpegstream.Bits, comp *component, x, y int) (jpegstream.Bits, error) {
		q := &comp.coefs[y*comp.padded+x]
		ok := true
		switch {
		case c.Ss > 0 && c.Ah == 0:
			b, ok = dec.acFirst(b, comp.ac, q)
		case c.Ss > 0:
			b, ok = dec.acRefine(b, comp.ac, q)
		case c.Ah == 0:
			b, ok = dec.dcFirst(b, comp, q)
		default: // G.1.2.1.1
			if b.N < 32 {
				b = b.Fill(dec.data)
			}
			q.coef[0] |= int16(b.Peek(1) << c.Al)
			b = b.Drop(1)
		}
		if !ok {
			return b, invalid("a damaged block")
		}
		return b, nil
	})
}

// next takes a code and its extra bits.
func (dec *decoder) next(b jpegstream.Bits, h *jpegstream.Huffman) (jpegstream.Bits, jpegstream.Entry) {
	if b.N < 32 {
		b = b.Fill(dec.data)
	}
	e := h.Fast[b.Acc>>jpegstream.LookShift]
	if e.Open() {
		e = h.Long(b.Acc)
	}
	return b.Take(e), e
}

func (dec *decoder) dcFirst(b jpegstream.Bits, c *component, q *quantised) (jpegstream.Bits, bool) {
	b, e := dec.next(b, c.dc)
	if e == 0 {
		return b, false
	}
	c.pred += e.Value()
	q.coef[0] = int16(c.pred << dec.stream.Scan.Al)
	return b, true
}

// acFirst decodes a band's first bits (T.81 G.1.2.2).
func (dec *decoder) acFirst(b jpegstream.Bits, ac *jpegstream.Huffman, q *quantised) (jpegstream.Bits, bool) {
	if dec.eobrun > 0 {
		dec.eobrun--
		return b, true
	}
	var e jpegstream.Entry
	se, al := dec.stream.Scan.Se, dec.stream.Scan.Al
	for k := dec.stream.Scan.Ss; k <= se; k++ {
		if b, e = dec.next(b, ac); e == 0 {
			return b, false
		}
		run := e.Symbol() >> 4
		if e.Symbol()&15 == 0 {
			if run < 15 {
				b, dec.eobrun = dec.endOfBand(b, run)
				dec.eobrun--
				break
			}
			k += run
			continue
		}
		if k += run; k > se {
			return b, false
		}
		q.coef[k&63] = int16(e.Value() << al)
		q.mask |= 1 << k
	}
	return b, true
}

// endOfBand reads the length of a run of blocks whose band is over (T.81 Figure G.3).
func (dec *decoder) endOfBand(b jpegstream.Bits, size int) (jpegstream.Bits, int) {
	n := 1 << size
	if size > 0 {
		if b.N < 32 {
			b = b.Fill(dec.data)
		}
		n += int(b.Peek(size))
		b = b.Drop(size)
	}
	return b, n
}

// acRefine decodes one more bit of a band (T.81 G.1.2.3).
func (dec *decoder) acRefine(b jpegstream.Bits, ac *jpegstream.Huffman, q *quantised) (jpegstream.Bits, bool) {
	se, bit := dec.stream.Scan.Se, int16(1)<<dec.stream.Scan.Al
	k := dec.stream.Scan.Ss
	if dec.eobrun == 0 {
		for ; k <= se; k++ {
			var e jpegstream.Entry
			if b, e = dec.next(b, ac); e == 0 {
				return b, false
			}
			run, size := e.Symbol()>>4, e.Symbol()&15
			if size == 0 && run < 15 {
				b, dec.eobrun = dec.endOfBand(b, run)
				break
			}
			if size > 1 {
				return b, false
			}
			b, k = dec.refine(b, q, k, run, bit)
			if size == 0 {
				continue
			}
			if k > se {
				return b, false
			}
			q.coef[k&63] = int16(e.Value()) * bit
			q.mask |= 1 << k
		}
	}
	if dec.eobrun > 0 {
		b, _ = dec.refine(b, q, k, 64, bit)
		dec.eobrun--
	}
	return b, true
}

// refine corrects the coefficients that are known, from k on, and passes over run others. It
// returns the place of the one behind them.
func (dec *decoder) refine(b jpegstream.Bits, q *quantised, k, run int, bit int16) (jpegstream.Bits, int) {
	known := q.mask & (1<<(dec.stream.Scan.Se+1) - 1) >> k
	for known != 0 {
		zeros := bits.TrailingZeros64(known)
		if zeros > run {
			break
		}
		run -= zeros
		k += zeros
		if b.N < 32 {
			b = b.Fill(dec.data)
		}
		if p := &q.coef[k&63]; b.Peek(1) == 1 && *p&bit == 0 {
			if *p > 0 {
				*p += bit
			} else {
				*p -= bit
			}
		}
		b = b.Drop(1)
		k++
		known = known >> zeros >> 1
	}
	return b, k + run
}

// transform turns all coefficients into samples.
func (dec *decoder) transform() {
	for i := range dec.n {
		c := &dec.comps[i]
		for y := range c.down {
			for x := range c.across {
				q := &c.coefs[y*c.padded+x]
				dec.block[0] = int32(q.coef[0]) * c.quant[0]
				for mask := q.mask; mask != 0; mask &= mask - 1 {
					k := bits.TrailingZeros64(mask) & 63
					dec.block[zigzag[k]&63] = int32(q.coef[k]) * c.quant[k]
				}
				dec.put(c, x, y, bits.Len64(q.mask|1)-1)
			}
		}
	}
}
