package jpeg

import "github.com/aurelius-imaging/aurelius/dicom/codec/internal/jpegstream"

// scan decodes the scan whose header was read.
func (dec *decoder) scan() error {
	s := &dec.stream
	dec.data = s.Data()
	for _, sc := range s.Scan.Components[:s.Scan.N] {
		c := &dec.comps[sc.Index]
		c.dc, c.ac = &s.DC[sc.Td], &s.AC[sc.Ta]
		c.pred = 0
		// Motion JPEG leaves the tables out; libjpeg-turbo takes those of T.81 K.3 as well.
		c.dc.Default(jpegstream.StandardDC[sc.Td&1], false)
		c.ac.Default(jpegstream.StandardAC[sc.Ta&1], true)
		if err := dec.latch(c, s.Frame.Components[sc.Index].Tq); err != nil {
			return err
		}
	}
	var end jpegstream.Bits
	var err error
	if dec.progressive {
		end, err = dec.progressiveScan()
	} else {
		end, err = dec.sequentialScan()
	}
	if err != nil {
		return err
	}
	s.Skip(end.Pos)
	return nil
}

// latch keeps the quantisation table that the component's first scan finds (T.81 B.2.4.1).
func (dec *decoder) latch(c *component, tq int) error {
	if c.latched {
		return nil
	}
	if !dec.stream.HasQuant[tq] {
		return invalid("quantisation table %d is missing", tq)
	}
	c.latched = true
	scale := int32(1)
	if dec.stream.Frame.Precision == 8 {
		scale = 2 // see inverse
	}
	for k, q := range dec.stream.Quant[tq] {
		c.quant[k] = int32(q) * scale
	}
	return nil
}

// sequentialScan decodes a scan of the baseline and extended processes (T.81 F.2). Its spectral
// selection is not looked at: writers exist that leave it 0, and libjpeg reads them.
func (dec *decoder) sequentialScan() (jpegstream.Bits, error) {
	s := &dec.stream
	var b jpegstream.Bits
	for _, sc := range s.Scan.Components[:s.Scan.N] {
		c := &dec.comps[sc.Index]
		if c.scanned { // its blocks are samples by now
			return b, invalid("component %d has a second scan", sc.Index+1)
		}
		c.scanned = true
		if err := c.dc.Ready(); err != nil {
			return b, err
		}
		if err := c.ac.Ready(); err != nil {
			return b, err
		}
	}
	return dec.mcus(func(b jpegstream.Bits, c *component, x, y int) (jpegstream.Bits, error) {
		b, last := dec.sequentialBlock(b, c)
		if last < 0 {
			return b, invalid("a damaged block")
		}
		dec.put(c, x, y, last)
		return b, nil
	})
}

// mcus walks over the blocks of a scan in their order (T.81 A.2) and over its restart markers.
func (dec *decoder) mcus(block func(b jpegstream.Bits, c *component, x, y int) (jpegstream.Bits, error)) (jpegstream.Bits, error) {
	s := &dec.stream
	var b jpegstream.Bits
	first := &dec.comps[s.Scan.Components[0].Index]
	alone := s.Scan.N == 1
	across, down := first.across, first.down
	if !alone {
		across, down = first.padded/first.h, ceil(first.down, first.v)
	}
	left, restarts := s.RestartInterval, 0
	for my := range down {
		for mx := range across {
			if s.RestartInterval > 0 {
				if left == 0 {
					var ok bool
					if b.N < 0 {
						return b, invalid("the scan ends too soon")
					}
					if b, ok = b.Restart(dec.data, restarts); !ok {
						return b, invalid("a restart marker is missing")
					}
					restarts++
					left = s.RestartInterval
					dec.restart()
				}
				left--
			}
			var err error
			if alone {
				if b, err = block(b, first, mx, my); err != nil {
					return b, err
				}
				continue
			}
			for i := range s.Scan.N {
				c := &dec.comps[s.Scan.Components[i].Index]
				for v := range c.v {
					for h := range c.h {
						if b, err = block(b, c, mx*c.h+h, my*c.v+v); err != nil {
							return b, err
						}
					}
				}
			}
		}
		if b.N < 0 {
			return b, invalid("the scan ends too soon")
		}
	}
	return b, nil
}

func (dec *decoder) restart() {
	dec.eobrun = 0
	for i := range dec.comps {
		dec.comps[i].pred = 0
	}
}

// sequentialBlock decodes a block (T.81 F.2.2) into dec.block, dequantised and in natural order,
// and returns the place of its last coefficient; negative: it is damaged.
func (dec *decoder) sequentialBlock(b jpegstream.Bits, c *component) (jpegstream.Bits, int) {
	if b.N < 32 {
		b = b.Fill(dec.data)
	}
	e := c.dc.Fast[b.Acc>>jpegstream.LookShift]
	if e.Open() {
		if e = c.dc.Long(b.Acc); e == 0 {
			return b, -1
		}
	}
	b = b.Take(e)
	c.pred += e.Value()
	dec.block[0] = int32(c.pred) * c.quant[0]
	last := 0
	for k := 1; k < 64; k++ {
		if b.N < 32 {
			b = b.Fill(dec.data)
		}
		e := c.ac.Fast[b.Acc>>jpegstream.LookShift]
		if e.Open() {
			if e = c.ac.Long(b.Acc); e == 0 {
				return b, -1
			}
		}
		b = b.Take(e)
		k += e.Symbol() >> 4
		if e.Symbol()&15 == 0 {
			if e.Symbol() != 0xF0 {
				break // EOB; of other runs there are none here
			}
			continue
		}
		if k > 63 {
			return b, -1
		}
		dec.block[zigzag[k&63]&63] = int32(e.Value()) * c.quant[k&63]
		last = k
	}
	return b, last
}
