// Package charset converts between the text of a data set and UTF-8, as Specific Character Set
// (0008,0005) says (PS3.5 6.1, PS3.3 C.12.1.1.2): the single-byte repertoires, ISO 2022 code
// extensions with their resets at delimiters, UTF-8, GB18030 and GBK. It does not know which
// element it decodes; the caller says whether it is a person name.
//
// Decoding never fails: bytes without a meaning become U+FFFD, and the result is valid UTF-8.
// More is accepted than the standard allows where the field needs it:
//
//   - terms with other separators ("ISO-IR 100", "UTF-8");
//   - escape sequences of sets that were not declared;
//   - bytes above 127 without a declared set: UTF-8 where they are valid UTF-8, else Latin-1;
//   - G1 characters of a declared multi-byte set without their escape sequence;
//   - Shift JIS under ISO_IR 13.
//
// GB 2312 is read as its superset in GBK, so that a name is the same text in every Chinese set.
package charset

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"
)

// Set is a Specific Character Set. It is immutable and safe for concurrent use.
type Set struct {
	scheme   scheme
	g0, g1   graphic   // designated at the beginning of a value (PS3.5 6.1.2.5.1)
	implied  graphic   // G1 where none is designated: the first declared that has one
	declared []graphic // in order, for encoding
	terms    string
}

type scheme uint8

const (
	iso2022 scheme = iota // single-byte sets too: they are ISO 2022 without escape sequences
	utf8Scheme
	gb18030
	gbk
)

// The sets most data sets have.
var (
	Default = &Set{g0: ascii, implied: latin1, terms: ""}
	UTF8    = &Set{scheme: utf8Scheme, g0: ascii, terms: "ISO_IR 192"}
	Latin1  = &Set{g0: ascii, g1: latin1, implied: latin1, declared: []graphic{latin1}, terms: "ISO_IR 100"}
)

// Parse returns the set of the values of Specific Character Set. On error (a term that is not
// known or not allowed there) the set is still usable: what was understood is honoured.
func Parse(values []string) (*Set, error) {
	switch {
	case len(values) == 0, len(values) == 1 && strings.Trim(values[0], " \x00") == "":
		return Default, nil
	case len(values) == 1 && values[0] == "ISO_IR 100":
		return Latin1, nil
	case len(values) == 1 && values[0] == "ISO_IR 192":
		return UTF8, nil
	}
	s := &Set{g0: ascii, terms: strings.Join(values, "\\")}
	var err error
	for i, value := range values {
		t, ok := lookup(value)
		switch {
		case !ok:
			err = fmt.Errorf("charset: value %d is not a defined term: %.32q", i+1, value)
		case t.scheme != iso2022 && i > 0:
			err = fmt.Errorf("charset: %.32q allows no code extension", value) // PS3.3 C.12.1.1.2
		case t.scheme != iso2022:
			s.scheme = t.scheme
			if len(values) > 1 {
				err = fmt.Errorf("charset: %.32q allows no code extension", value)
			}
			return s, err
		default:
			s.declare(t, i == 0)
		}
	}
	if s.implied == none {
		s.implied = latin1 // as Default
	}
	return s, err
}

func (s *Set) declare(t term, first bool) {
	if t.g0 != none {
		s.declared = append(s.declared, t.g0)
	}
	if t.g1 != none {
		s.declared = append(s.declared, t.g1)
		if s.implied == none {
			s.implied = t.g1
		}
	}
	if !first {
		return
	}
	// Multi-byte sets are never the initial state; their own escape sequences select them.
	if t.g0 == romaji {
		s.g0 = romaji
	}
	if !t.g1.wide() {
		s.g1 = t.g1
	}
}

// ParseValue is Parse for the element's value as encoded.
func ParseValue(raw []byte) (*Set, error) {
	raw = trim(raw)
	switch string(raw) {
	case "":
		return Default, nil
	case "ISO_IR 100":
		return Latin1, nil
	case "ISO_IR 192":
		return UTF8, nil
	}
	return Parse(strings.Split(string(raw), "\\"))
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return b
}

// String returns the terms as they were given, separated by backslashes.
func (s *Set) String() string { return s.terms }

// IsUTF8 reports whether text is stored as UTF-8.
func (s *Set) IsUTF8() bool { return s.scheme == utf8Scheme }

// ASCII reports whether every byte below 128, but for escape sequences, means itself. It does
// not in JIS X 0201.
func (s *Set) ASCII() bool { return s.g0 != romaji }

// Decode returns the text of one or several values. Separators come out as backslashes, those
// bytes of multi-byte characters do not. Person names need DecodePN.
func (s *Set) Decode(b []byte) string {
	if s.plain(b) {
		return string(b)
	}
	return string(s.append(make([]byte, 0, 2*len(b)), b, false))
}

// DecodePN is Decode for person names: their delimiters ^ and = end code extensions as well.
func (s *Set) DecodePN(b []byte) string {
	if s.plain(b) {
		return string(b)
	}
	return string(s.append(make([]byte, 0, 2*len(b)), b, true))
}

// Append appends what Decode, or DecodePN, returns.
func (s *Set) Append(dst, b []byte, personName bool) []byte {
	if s.plain(b) {
		return append(dst, b...)
	}
	return s.append(dst, b, personName)
}

// Cut splits off the first of several values. A backslash byte within a multi-byte character
// does not separate (PS3.5 6.1.2.3).
func (s *Set) Cut(b []byte) (value, rest []byte, found bool) {
	at := -1
	switch s.scheme {
	case gb18030, gbk:
		at = cutGB(b)
	case utf8Scheme:
		at = strings.IndexByte(bstring(b), '\\')
	default:
		at = strings.IndexByte(bstring(b), '\\')
		if at >= 0 && strings.IndexByte(bstring(b[:at]), esc) >= 0 {
			at = s.cutEscaped(b)
		}
	}
	if at < 0 {
		return b, nil, false
	}
	return b[:at], b[at+1:], true
}

func cutGB(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\\':
			return i
		case c >= 0x81 && c <= 0xFE:
			i++ // second byte; the second half of a four-byte character is such a pair too
		}
	}
	return -1
}

// cutEscaped finds the first backslash that is not half of a two-byte G0 character.
func (s *Set) cutEscaped(b []byte) int {
	g0 := s.g0
	for i := 0; i < len(b); {
		c := b[i]
		switch {
		case c == esc:
			n, set, upper := escape(b[i:])
			if n > 0 && !upper {
				g0 = set
			}
			i += max(n, 1)
		case g0.wide() && c > 0x20 && c < 0x7F && i+1 < len(b):
			i += 2
		case c == '\\':
			return i
		case resets(c):
			g0 = s.g0
			i++
		default:
			i++
		}
	}
	return -1
}

// plain reports whether the bytes are the same in UTF-8.
func (s *Set) plain(b []byte) bool {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// Bytes above 127, or (as one of the borrow bits) an escape 0x1B.
		const ones, high, escapes = 0x0101010101010101, 0x8080808080808080, 0x1B1B1B1B1B1B1B1B
		x := w ^ escapes
		if (w|(x-ones)&^x)&high != 0 {
			return false
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= 0x80 || b[i] == esc {
			return false
		}
	}
	return s.g0 != romaji || strings.IndexByte(bstring(b), '~') < 0
}

func (s *Set) append(dst, b []byte, personName bool) []byte {
	switch s.scheme {
	case utf8Scheme:
		return appendValid(dst, b)
	case gb18030:
		return transformed(dst, gb18030Decoder, b)
	case gbk:
		return transformed(dst, gbkDecoder, b)
	}
	if s == Default && utf8.Valid(b) && strings.IndexByte(bstring(b), esc) < 0 {
		return append(dst, b...)
	}
	return s.appendISO2022(dst, b, personName)
}

func appendValid(dst, b []byte) []byte {
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			dst, b = append(dst, b[0]), b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		dst, b = utf8.AppendRune(dst, r), b[n:]
	}
	return dst
}

// The tables of x/text. These transformers keep no state between calls.
var (
	eucJPDecoder    = japanese.EUCJP.NewDecoder().Transformer
	shiftJISDecoder = japanese.ShiftJIS.NewDecoder().Transformer
	eucKRDecoder    = korean.EUCKR.NewDecoder().Transformer
	gbkDecoder      = simplifiedchinese.GBK.NewDecoder().Transformer
	gb18030Decoder  = simplifiedchinese.GB18030.NewDecoder().Transformer
)

// transformed appends the whole of src in UTF-8.
func transformed(dst []byte, t transform.Transformer, src []byte) []byte {
	for len(src) > 0 {
		need := 3*len(src) + utf8.UTFMax
		if cap(dst)-len(dst) < need {
			dst = append(make([]byte, 0, 2*len(dst)+need), dst...)
		}
		n, read, err := t.Transform(dst[len(dst):cap(dst)], src, true)
		dst, src = dst[:len(dst)+n], src[read:]
		if err != nil && read == 0 { // an incomplete character at the end
			return utf8.AppendRune(dst, utf8.RuneError)
		}
	}
	return dst
}
