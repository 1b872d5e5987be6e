package jpegls

import (
	"encoding/binary"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

const op = "jpegls.Decode"

func invalid(format string, args ...any) error {
	return errs.Errorf(errs.Invalid, op, format, args...)
}

func unsupported(format string, args ...any) error {
	return errs.Errorf(errs.Unsupported, op, format, args...)
}

// Markers (T.81 B.1.1.3, T.87 C.1.1).
const (
	markerSOF55 = 0xF7
	markerLSE   = 0xF8
	markerSOI   = 0xD8
	markerEOI   = 0xD9
	markerSOS   = 0xDA
	markerDNL   = 0xDC
	markerDRI   = 0xDD
	markerRST0  = 0xD0
	markerAPP8  = 0xE8
)

// Interleave modes of a scan (T.87 C.2.3).
const (
	interleaveNone = iota
	interleaveLine
	interleaveSample
)

// stream reads the segments of a codestream.
type stream struct {
	src []byte // what is not read yet

	precision, rows, columns int
	components               []byte // identifiers, in the frame's order
	preset                   params // of LSE; what is 0 has its default
	interval                 int    // lines between restart markers; 0: none
	transform                int    // HP's colour transform: 0 to 3
	scan                     scan
}

// scan is what a scan's header says.
type scan struct {
	components [4]int // places in the frame
	count      int
	near       int
	interleave int
}

// next reads segments up to the next scan's begin, and says false at the end of the image: the
// marker that ends it, or the end of the data, as some writers leave the marker out.
func (s *stream) next() (bool, error) {
	for {
		marker, ok := s.marker()
		if !ok || marker == markerEOI {
			return false, nil
		}
		if marker == markerSOI || marker >= markerRST0 && marker < markerRST0+8 || marker == 0x01 {
			continue
		}
		if len(s.src) < 2 {
			return false, invalid("the codestream ends in a segment")
		}
		n := int(binary.BigEndian.Uint16(s.src))
		if n < 2 || n > len(s.src) {
			return false, invalid("a segment is longer than the codestream")
		}
		segment := s.src[2:n]
		s.src = s.src[n:]
		if err := s.segment(marker, segment); err != nil {
			return false, err
		}
		if marker == markerSOS {
			return true, nil
		}
	}
}

// marker goes to the next marker. What lies before it is passed over: fill bytes (T.81 B.1.1.2),
// and zeros that some writers leave behind a scan.
func (s *stream) marker() (byte, bool) {
	for i := 0; i+1 < len(s.src); i++ {
		if s.src[i] == 0xFF && s.src[i+1] != 0xFF && s.src[i+1] != 0 {
			m := s.src[i+1]
			s.src = s.src[i+2:]
			return m, true
		}
	}
	s.src = nil
	return 0, false
}

func (s *stream) segment(marker byte, b []byte) error {
	switch {
	case marker == markerSOF55:
		return s.frameHeader(b)
	case marker == markerSOS:
		return s.scanHeader(b)
	case marker == markerLSE:
		return s.parameters(b)
	case marker == markerDRI:
		if len(b) < 2 || len(b) > 4 { // T.87 C.2.5
			return invalid("the restart interval has %d bytes", len(b))
		}
		s.interval = 0
		for _, v := range b {
			s.interval = s.interval<<8 | int(v)
		}
	case marker == markerDNL:
		return unsupported("the number of lines comes behind the first scan")
	case marker == markerAPP8:
		// HP's colour transform, which CharLS writes and reads. SPIFF is an APP8 too, and says
		// nothing that the DICOM header does not.
		if len(b) == 5 && string(b[:4]) == "mrfx" {
			if b[4] > 3 {
				return unsupported("colour transform %d", b[4])
			}
			s.transform = int(b[4])
		}
	case marker >= 0xC0 && marker <= 0xCF:
		return unsupported("the codestream is JPEG with marker FF%02X, not JPEG-LS", marker)
	}
	return nil // APPn, COM
}

// frameHeader reads SOF55 (T.87 C.2.2).
func (s *stream) frameHeader(b []byte) error {
	if s.components != nil {
		return invalid("the codestream has two frame headers")
	}
	if len(b) < 6 || len(b) < 6+3*int(b[5]) {
		return invalid("the frame header is too short")
	}
	s.precision = int(b[0])
	s.rows, s.columns = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if s.precision < 2 || s.precision > 16 {
		return invalid("%d bits per sample", s.precision)
	}
	if s.rows == 0 || s.columns == 0 {
		return unsupported("the codestream gives its size elsewhere than in its frame header")
	}
	n := int(b[5])
	if n < 1 || n > 4 {
		return unsupported("%d components", n)
	}
	for i := range n {
		c := b[6+3*i:]
		if c[1] != 0x11 {
			return unsupported("subsampled components")
		}
		s.components = append(s.components, c[0])
	}
	return nil
}

// parameters reads LSE (T.87 C.2.4).
func (s *stream) parameters(b []byte) error {
	if len(b) == 0 {
		return invalid("the preset parameters are empty")
	}
	switch b[0] {
	case 1:
		if len(b) < 11 {
			return invalid("the preset parameters are too short")
		}
		at := func(i int) int { return int(binary.BigEndian.Uint16(b[1+2*i:])) }
		s.preset = params{maxval: at(0), t1: at(1), t2: at(2), t3: at(3), reset: at(4)}
		return nil
	case 2, 3:
		return unsupported("mapping tables")
	case 4:
		return unsupported("the codestream gives its size elsewhere than in its frame header")
	}
	return unsupported("an extension of JPEG-LS (T.870)")
}

// scanHeader reads SOS (T.87 C.2.3).
func (s *stream) scanHeader(b []byte) error {
	if s.components == nil {
		return invalid("a scan comes before the frame header")
	}
	if len(b) < 1 || len(b) < 4+2*int(b[0]) {
		return invalid("a scan header is too short")
	}
	n := int(b[0])
	if n < 1 || n > len(s.components) {
		return invalid("a scan of %d components", n)
	}
	s.scan = scan{count: n, near: int(b[1+2*n]), interleave: int(b[2+2*n])}
	for i := range n {
		id, table := b[1+2*i], b[2+2*i]
		if table != 0 {
			return unsupported("mapping tables")
		}
		place := -1
		for j, c := range s.components {
			if c == id && place < 0 && !s.scan.has(i, j) {
				place = j
			}
		}
		if place < 0 {
			return invalid("a scan of components that the frame has not")
		}
		s.scan.components[i] = place
	}
	if s.scan.interleave > interleaveSample || s.scan.interleave == interleaveNone && n > 1 {
		return invalid("interleave mode %d of %d components", s.scan.interleave, n)
	}
	if b[3+2*n]&15 != 0 {
		return unsupported("point transform")
	}
	if n == 1 {
		s.scan.interleave = interleaveNone // the same
	}
	return nil
}

// has reports whether one of the first n components of the scan is at a place.
func (s *scan) has(n, place int) bool {
	for _, p := range s.components[:n] {
		if p == place {
			return true
		}
	}
	return false
}

// coding returns what the scan is coded with: what LSE leaves at 0 has its default (T.87 C.2.4.1.1).
func (s *stream) coding() (params, error) {
	highest := 1<<s.precision - 1
	maxval := s.preset.maxval
	if maxval == 0 {
		maxval = highest
	}
	if maxval > highest || s.scan.near > min(255, maxval/2) {
		return params{}, invalid("samples up to %d with an error of %d in %d bits", maxval, s.scan.near, s.precision)
	}
	p := defaults(maxval, s.scan.near)
	for _, v := range [...]struct {
		preset int
		value  *int
	}{{s.preset.t1, &p.t1}, {s.preset.t2, &p.t2}, {s.preset.t3, &p.t3}, {s.preset.reset, &p.reset}} {
		if v.preset != 0 {
			*v.value = v.preset
		}
	}
	if p.t1 <= p.near || p.t2 < p.t1 || p.t3 < p.t2 || p.t3 > maxval || p.reset < 3 || p.reset > max(255, maxval) {
		return params{}, invalid("thresholds %d, %d, %d, reset %d of samples up to %d", p.t1, p.t2, p.t3, p.reset, maxval)
	}
	return p, nil
}
