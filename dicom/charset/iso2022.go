package charset

import (
	"unicode/utf8"
	"unsafe"

	"golang.org/x/text/encoding/charmap"
)

const esc = 0x1B

// graphic is a set of graphic characters that can be designated as G0 or G1.
type graphic uint8

const (
	none     graphic = iota
	ascii            // ISO-IR 6
	romaji           // ISO-IR 14, JIS X 0201 Latin
	katakana         // ISO-IR 13, JIS X 0201 katakana
	jis0208          // ISO-IR 87
	jis0212          // ISO-IR 159
	ksx1001          // ISO-IR 149
	gb2312           // ISO-IR 58
	latin1           // ISO-IR 100 and following: right halves of ISO 8859
	latin2
	latin3
	latin4
	greek
	arabic
	hebrew
	cyrillic
	latin5
	thai
	latin9
)

// wide reports whether characters of the set have two bytes.
func (g graphic) wide() bool { return g >= jis0208 && g <= gb2312 }

// rightHalves are the single-byte G1 sets, from latin1.
var rightHalves = [...]*charmap.Charmap{
	charmap.ISO8859_1, charmap.ISO8859_2, charmap.ISO8859_3, charmap.ISO8859_4, charmap.ISO8859_7,
	charmap.ISO8859_6, charmap.ISO8859_8, charmap.ISO8859_5, charmap.ISO8859_9,
	charmap.Windows874, // TIS 620-2533 with additions below 0xA0, which appendHigh leaves out
	charmap.ISO8859_15,
}

// designations are the escape sequences of PS3.3 Tables C.12-3 and C.12-4 behind ESC, and three
// that ISO-2022-JP writers use.
var designations = [...]struct {
	sequence string
	set      graphic
	upper    bool // designates G1
}{
	{"(B", ascii, false}, {"(J", romaji, false}, {")I", katakana, true},
	{"$B", jis0208, false}, {"$(D", jis0212, false}, {"$)C", ksx1001, true}, {"$)A", gb2312, true},
	{"-A", latin1, true}, {"-B", latin2, true}, {"-C", latin3, true}, {"-D", latin4, true},
	{"-F", greek, true}, {"-G", arabic, true}, {"-H", hebrew, true}, {"-L", cyrillic, true},
	{"-M", latin5, true}, {"-T", thai, true}, {"-b", latin9, true},
	{"$@", jis0208, false}, {"$(B", jis0208, false}, {"(I", katakana, false},
}

// escape reads the escape sequence that b begins with; n is 0 when it is not known.
func escape(b []byte) (n int, set graphic, upper bool) {
	for i := range designations {
		d := &designations[i]
		if n := 1 + len(d.sequence); len(b) >= n && string(b[1:n]) == d.sequence {
			return n, d.set, d.upper
		}
	}
	return 0, none, false
}

// resets reports whether the control character ends code extensions (PS3.5 6.1.2.5.3).
func resets(c byte) bool { return c == '\t' || c == '\n' || c == '\f' || c == '\r' }

func (s *Set) appendISO2022(dst, b []byte, personName bool) []byte {
	g0, g1 := s.g0, s.g1
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == esc:
			n, set, upper := escape(b[i:])
			switch {
			case n == 0:
				n, dst = 1, utf8.AppendRune(dst, utf8.RuneError)
			case upper:
				g1 = set
			default:
				g0 = set
			}
			i += n
		case c <= ' ' || c == 0x7F:
			if resets(c) {
				g0, g1 = s.g0, s.g1
			}
			dst = append(dst, c)
			i++
		case c < 0x80 && g0.wide():
			var n int
			dst, n = appendWide(dst, g0, b[i:], 0x21, 0x7E)
			i += n
		case c < 0x80:
			dst = appendLow(dst, g0, c)
			if c == '\\' || personName && (c == '^' || c == '=') {
				g0, g1 = s.g0, s.g1
			}
			i++
		default:
			set := g1
			if set == none {
				set = s.implied
			}
			var n int
			dst, n = appendHigh(dst, set, b[i:])
			i += n
		}
	}
	return dst
}

// appendLow decodes a byte of a single-byte G0 set. 0x5C stays a backslash in JIS X 0201 too,
// where it is a yen sign: it separates values all the same (PS3.5 6.1.2.3, PS3.18 F.2.4).
func appendLow(dst []byte, g0 graphic, c byte) []byte {
	switch {
	case g0 == romaji && c == '~':
		return append(dst, "‾"...)
	case g0 == katakana:
		return appendKatakana(dst, c|0x80)
	}
	return append(dst, c)
}

func appendKatakana(dst []byte, c byte) []byte {
	if c < 0xA1 || c > 0xDF {
		return utf8.AppendRune(dst, utf8.RuneError)
	}
	return utf8.AppendRune(dst, 0xFF61+rune(c-0xA1))
}

// appendHigh decodes from a byte above 127 and says how many bytes it took.
func appendHigh(dst []byte, g1 graphic, b []byte) ([]byte, int) {
	c := b[0]
	switch {
	case g1.wide():
		return appendWide(dst, g1, b, 0xA1, 0xFE)
	case g1 == katakana:
		if c < 0xA1 || c > 0xDF { // undefined: what devices in the field mean is Shift JIS
			if len(b) > 1 && c > 0x80 && c < 0xFD && c != 0xA0 && b[1] >= 0x40 && b[1] != 0x7F {
				return transformed(dst, shiftJISDecoder, b[:2]), 2
			}
		}
		return appendKatakana(dst, c), 1
	case c < 0xA0: // C1 controls
		return utf8.AppendRune(dst, rune(c)), 1
	}
	return utf8.AppendRune(dst, rightHalves[g1-latin1].DecodeByte(c)), 1
}

// appendWide decodes the run of two-byte characters whose bytes lie in [low, high].
func appendWide(dst []byte, set graphic, b []byte, low, high byte) ([]byte, int) {
	n := 0
	for n+1 < len(b) && b[n] >= low && b[n] <= high && b[n+1] >= low && b[n+1] <= high {
		n += 2
	}
	if n == 0 { // half a character
		return utf8.AppendRune(dst, utf8.RuneError), 1
	}
	switch set {
	case ksx1001:
		return transformed(dst, eucKRDecoder, raised(b[:n])), n
	case gb2312:
		return transformed(dst, gbkDecoder, raised(b[:n])), n
	}
	for i := 0; i < n; i += 2 {
		dst = appendJIS(dst, set, b[i]|0x80, b[i+1]|0x80)
	}
	return dst, n
}

// raised returns the characters with their high bits set, as the EUC tables want them.
func raised(b []byte) []byte {
	if b[0] >= 0x80 {
		return b
	}
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = c | 0x80
	}
	return out
}

// jisPunctuation has the characters of JIS X 0208 for which x/text follows Windows instead.
var jisPunctuation = [...]struct {
	code uint16
	r    rune
	win  rune
}{
	{0xA1C1, 0x301C, 0xFF5E}, {0xA1C2, 0x2016, 0x2225}, {0xA1DD, 0x2212, 0xFF0D},
	{0xA1F1, 0x00A2, 0xFFE0}, {0xA1F2, 0x00A3, 0xFFE1}, {0xA2CC, 0x00AC, 0xFFE2},
}

func appendJIS(dst []byte, set graphic, c, d byte) []byte {
	if set == jis0212 {
		return transformed(dst, eucJPDecoder, []byte{0x8F, c, d})
	}
	if c <= 0xA2 {
		for _, p := range jisPunctuation {
			if p.code == uint16(c)<<8|uint16(d) {
				return utf8.AppendRune(dst, p.r)
			}
		}
	}
	return transformed(dst, eucJPDecoder, []byte{c, d})
}

// bstring views bytes as a string for searching; the result must not outlive the call.
func bstring(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
