package jpegstream

import (
	"bytes"
	"encoding/binary"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const op = "jpegstream.Stream"

func invalid(format string, args ...any) error {
	return errs.Errorf(errs.Invalid, op, "JPEG: "+format, args...)
}

func unsupported(format string, args ...any) error {
	return errs.Errorf(errs.Unsupported, op, "JPEG: "+format, args...)
}

// Stream is a codestream being read. It is large (the tables are in it) and meant to be used
// again: Open resets it.
type Stream struct {
	Frame           Frame
	Scan            Scan
	DC, AC          [4]Huffman // DC also serves lossless scans
	Quant           [4][64]uint16
	HasQuant        [4]bool
	RestartInterval int  // in MCU; 0: none
	JFIF            bool // three components are YCbCr
	Adobe           Adobe

	src []byte
	pos int
}

// Open begins to read a codestream: SOI and nothing more.
func (s *Stream) Open(src []byte) error {
	s.Frame, s.Scan, s.RestartInterval, s.JFIF, s.Adobe = Frame{}, Scan{}, 0, false, Adobe{}
	s.HasQuant = [4]bool{}
	for i := range s.DC {
		s.DC[i].defined, s.AC[i].defined = false, false
	}
	s.src, s.pos = src, 2
	if len(src) < 2 || src[0] != 0xFF || src[1] != SOI {
		return invalid("no SOI at the start")
	}
	return nil
}

// Release forgets the codestream, so that a pooled Stream does not hold it.
func (s *Stream) Release() { s.src = nil }

// Data returns what follows the scan header that Next read: the entropy-coded data and all after.
func (s *Stream) Data() []byte { return s.src[s.pos:] }

// Skip goes on n bytes behind the start of Data: the scan was decoded up to there.
func (s *Stream) Skip(n int) { s.pos = min(s.pos+n, len(s.src)) }

// Next reads segments up to the next scan header. It returns false at EOI, and where the bytes end:
// an image without EOI may be whole all the same.
func (s *Stream) Next() (more bool, err error) {
	for {
		marker, ok := s.marker()
		if !ok || marker == EOI {
			return false, nil
		}
		if marker >= RST0 && marker <= RST7 || marker == TEM {
			continue
		}
		if marker == SOI {
			return false, invalid("a second SOI")
		}
		if len(s.src)-s.pos < 2 {
			return false, invalid("a marker segment is cut off")
		}
		n := int(binary.BigEndian.Uint16(s.src[s.pos:]))
		if n < 2 || n > len(s.src)-s.pos {
			return false, invalid("segment %02X has %d bytes, %d are there", marker, n, len(s.src)-s.pos)
		}
		p := s.src[s.pos+2 : s.pos+n]
		s.pos += n
		switch {
		case marker == SOS:
			return true, s.scanHeader(p)
		case marker == DHT:
			err = s.huffmanTables(p)
		case marker == DQT:
			err = s.quantisationTables(p)
		case marker == DRI:
			if len(p) != 2 {
				return false, invalid("DRI of %d bytes", len(p))
			}
			s.RestartInterval = int(binary.BigEndian.Uint16(p))
		case marker == DNL:
			if len(p) != 2 {
				return false, invalid("DNL of %d bytes", len(p))
			}
			if s.Frame.Rows == 0 {
				s.Frame.Rows = int(binary.BigEndian.Uint16(p))
			}
		case marker == APP0:
			s.JFIF = s.JFIF || bytes.HasPrefix(p, []byte("JFIF\x00"))
		case marker == APP14:
			if len(p) >= 12 && bytes.HasPrefix(p, []byte("Adobe")) {
				s.Adobe = Adobe{Present: true, Transform: p[11]}
			}
		case marker == DHP || marker == EXP:
			return false, unsupported("hierarchical images are not decoded")
		case marker == DAC:
			return false, unsupported("arithmetic coding is not decoded")
		case marker >= SOF0 && marker <= SOF15 && marker != JPG:
			err = s.frameHeader(marker, p)
		}
		if err != nil {
			return false, err
		}
	}
}

// marker finds the next marker. Bytes that are none are passed over, as libjpeg does: padding of
// scans, and restart intervals that nobody asked for.
func (s *Stream) marker() (byte, bool) {
	for {
		i := bytes.IndexByte(s.src[s.pos:], 0xFF)
		if i < 0 {
			s.pos = len(s.src)
			return 0, false
		}
		s.pos += i
		for s.pos < len(s.src) && s.src[s.pos] == 0xFF { // fill bytes, B.1.1.2
			s.pos++
		}
		if s.pos == len(s.src) {
			return 0, false
		}
		s.pos++
		if m := s.src[s.pos-1]; m != 0 {
			return m, true
		}
	}
}

func (s *Stream) frameHeader(marker byte, p []byte) error {
	if marker > SOF3 {
		return unsupported("process SOF%d is not decoded", marker-SOF0)
	}
	if s.Frame.Process != 0 {
		return invalid("a second frame header")
	}
	if len(p) < 6 || len(p) != 6+3*int(p[5]) {
		return invalid("frame header of %d bytes", len(p))
	}
	f := Frame{
		Process:   marker,
		Precision: int(p[0]),
		Rows:      int(binary.BigEndian.Uint16(p[1:])),
		Columns:   int(binary.BigEndian.Uint16(p[3:])),
		N:         int(p[5]),
	}
	if f.Columns == 0 || f.N == 0 {
		return invalid("%d columns of %d components", f.Columns, f.N)
	}
	if f.N > MaxComponents {
		return unsupported("%d components are not decoded", f.N)
	}
	if f.Precision < 2 || f.Precision > 16 {
		return invalid("samples of %d bits", f.Precision)
	}
	for i := range f.N {
		q := p[6+3*i:]
		c := Component{ID: q[0], H: int(q[1] >> 4), V: int(q[1] & 15), Tq: int(q[2])}
		if c.H < 1 || c.H > 4 || c.V < 1 || c.V > 4 || c.Tq > 3 {
			return invalid("component %d has sampling %dx%d and quantisation table %d", c.ID, c.H, c.V, c.Tq)
		}
		f.Components[i] = c
	}
	s.Frame = f
	return nil
}

func (s *Stream) scanHeader(p []byte) error {
	if s.Frame.Process == 0 {
		return invalid("a scan before the frame header")
	}
	if len(p) < 1 || p[0] < 1 || int(p[0]) > s.Frame.N || len(p) != 4+2*int(p[0]) {
		return invalid("scan header of %d bytes", len(p))
	}
	c := Scan{N: int(p[0])}
	rest := p[1+2*c.N:]
	c.Ss, c.Se, c.Ah, c.Al = int(rest[0]), int(rest[1]), int(rest[2]>>4), int(rest[2]&15)
	seen := [MaxComponents]bool{}
	for i := range c.N {
		id, tables := p[1+2*i], p[2+2*i]
		k := s.component(id, &seen)
		if k < 0 {
			return invalid("a scan of component %d, which is not the frame's", id)
		}
		c.Components[i] = ScanComponent{Index: k, Td: int(tables >> 4), Ta: int(tables & 15)}
		if c.Components[i].Td > 3 || c.Components[i].Ta > 3 {
			return invalid("Huffman tables %d and %d", tables>>4, tables&15)
		}
	}
	s.Scan = c
	return nil
}

// component finds a component that no earlier place of the scan has: encoders exist that give all
// components one ID.
func (s *Stream) component(id byte, seen *[MaxComponents]bool) int {
	for k := range s.Frame.N {
		if s.Frame.Components[k].ID == id && !seen[k] {
			seen[k] = true
			return k
		}
	}
	return -1
}

func (s *Stream) huffmanTables(p []byte) error {
	for len(p) > 0 {
		if len(p) < 17 {
			return invalid("DHT is cut off")
		}
		class, id := p[0]>>4, p[0]&15
		if class > 1 || id > 3 {
			return invalid("Huffman table %d of class %d", id, class)
		}
		h := &s.DC[id]
		if class == 1 {
			h = &s.AC[id]
		}
		n, err := h.define(p[1:], class == 1)
		if err != nil {
			return err
		}
		p = p[1+n:]
	}
	return nil
}

func (s *Stream) quantisationTables(p []byte) error {
	for len(p) > 0 {
		wide, id := p[0]>>4, p[0]&15
		if wide > 1 || id > 3 {
			return invalid("quantisation table %d of precision %d", id, wide)
		}
		n := 64 << wide
		if len(p) < 1+n {
			return invalid("DQT is cut off")
		}
		for k := range s.Quant[id] {
			if wide == 1 {
				s.Quant[id][k] = binary.BigEndian.Uint16(p[1+2*k:])
			} else {
				s.Quant[id][k] = uint16(p[1+k])
			}
		}
		s.HasQuant[id] = true
		p = p[1+n:]
	}
	return nil
}
