package charset

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Encode returns UTF-8 text in the set, with the escape sequences it needs. What the set cannot
// say becomes a question mark, and ok is false. The initial state returns before every
// delimiter and at the end (PS3.5 6.1.2.5.3), so encoded values can be joined.
func (s *Set) Encode(text string) (b []byte, ok bool) {
	if s.plain([]byte(text)) {
		return []byte(text), true
	}
	switch s.scheme {
	case utf8Scheme:
		return appendValid(nil, []byte(text)), utf8.ValidString(text)
	case gb18030:
		return encodeAll(simplifiedchinese.GB18030.NewEncoder(), text)
	case gbk:
		return encodeAll(simplifiedchinese.GBK.NewEncoder(), text)
	}
	e := encoder{set: s, g0: s.g0, g1: s.g1, ok: true}
	for _, r := range text {
		e.rune(r)
	}
	e.restore()
	return e.out, e.ok
}

func encodeAll(enc *encoding.Encoder, text string) (out []byte, ok bool) {
	ok = true
	for _, r := range text {
		if b, err := enc.Bytes(utf8.AppendRune(nil, r)); err == nil && r != utf8.RuneError {
			out = append(out, b...)
		} else {
			out, ok = append(out, '?'), false
		}
	}
	return out, ok
}

// encoder holds the designations while a value is written.
type encoder struct {
	set    *Set
	g0, g1 graphic
	out    []byte
	ok     bool
}

func (e *encoder) rune(r rune) {
	switch {
	case resets(byte(r)) && r < 0x80 || r == '\\' || r == '^' || r == '=':
		e.restore()
		e.out = append(e.out, byte(r))
	case r == esc: // would be read as the beginning of a code extension
		e.replace()
	case r < 0x80:
		if e.g0.wide() || e.g0 == katakana || e.g0 == romaji && e.set.g0 != romaji {
			e.designate(e.set.g0)
		}
		if e.g0 == romaji && r == '~' { // no such character in JIS X 0201
			r, e.ok = '?', false
		}
		e.out = append(e.out, byte(r))
	default:
		e.extended(r)
	}
}

// extended writes a character beyond ASCII in the designated sets, else in the first declared
// set that has it.
func (e *encoder) extended(r rune) {
	for _, set := range [...]graphic{e.g1, e.g0} {
		if b, ok := encodeRune(set, r); ok {
			e.out = append(e.out, b...)
			return
		}
	}
	for _, set := range e.set.declared {
		if b, ok := encodeRune(set, r); ok {
			e.designate(set)
			e.out = append(e.out, b...)
			return
		}
	}
	e.replace()
}

// replace writes what stands for a character that the set does not have.
func (e *encoder) replace() {
	if e.g0.wide() {
		e.designate(e.set.g0)
	}
	e.out, e.ok = append(e.out, '?'), false
}

func (e *encoder) designate(set graphic) {
	for _, d := range designations {
		if d.set != set {
			continue
		}
		e.out = append(append(e.out, esc), d.sequence...)
		if d.upper {
			e.g1 = set
		} else {
			e.g0 = set
		}
		return
	}
}

// restore returns to the initial state. Where no G1 is initial there is no sequence to go back
// with: the next G1 character is designated anew.
func (e *encoder) restore() {
	if e.g0 != e.set.g0 {
		e.designate(e.set.g0)
	}
	if e.g1 != e.set.g1 {
		if e.set.g1 != none {
			e.designate(e.set.g1)
		}
		e.g1 = e.set.g1
	}
}

// encodeRune returns a character beyond ASCII in a set, with the high bits of the side (G0 or
// G1) on which DICOM designates it.
func encodeRune(set graphic, r rune) ([]byte, bool) {
	switch {
	case set == romaji && r == '‾':
		return []byte{'~'}, true
	case set == katakana && r >= 0xFF61 && r <= 0xFF9F:
		return []byte{byte(r-0xFF61) + 0xA1}, true
	case set >= latin1:
		b, ok := rightHalves[set-latin1].EncodeRune(r)
		return []byte{b}, ok && b >= 0x80 && (set != thai || b >= 0xA0)
	case set.wide():
		return encodeWide(set, r)
	}
	return nil, false
}

func encodeWide(set graphic, r rune) ([]byte, bool) {
	switch set {
	case ksx1001:
		b, ok := encodeWith(korean.EUCKR, r)
		return b, ok && len(b) == 2 && b[0] >= 0xA1 && b[1] >= 0xA1
	case gb2312:
		b, ok := encodeWith(simplifiedchinese.GBK, r)
		return b, ok && len(b) == 2 && b[0] >= 0xA1 && b[0] <= 0xF7 && b[1] >= 0xA1
	case jis0212:
		code, ok := jis0212Codes()[r]
		return []byte{byte(code >> 8), byte(code)}, ok
	}
	for _, p := range jisPunctuation {
		if p.r == r {
			return []byte{byte(p.code>>8) & 0x7F, byte(p.code) & 0x7F}, true
		}
		if p.win == r {
			return nil, false
		}
	}
	b, ok := encodeWith(japanese.EUCJP, r)
	// The rows between and behind are Windows' and not of JIS X 0208.
	if !ok || len(b) != 2 || b[0] < 0xA1 || b[0] > 0xA8 && b[0] < 0xB0 || b[0] > 0xF4 {
		return nil, false
	}
	return []byte{b[0] & 0x7F, b[1] & 0x7F}, true
}

func encodeWith(e encoding.Encoding, r rune) ([]byte, bool) {
	b, err := e.NewEncoder().Bytes(utf8.AppendRune(nil, r))
	return b, err == nil
}

// jis0212Codes is the table backwards: x/text encodes characters that are also in a Windows
// extension of JIS X 0208 as those.
var jis0212Codes = sync.OnceValue(func() map[rune]uint16 {
	codes := make(map[rune]uint16, 6067)
	for row := byte(0x21); row < 0x7F; row++ {
		for cell := byte(0x21); cell < 0x7F; cell++ {
			if r, _ := utf8.DecodeRune(appendJIS(nil, jis0212, row|0x80, cell|0x80)); r != utf8.RuneError {
				codes[r] = uint16(row)<<8 | uint16(cell)
			}
		}
	}
	return codes
})
