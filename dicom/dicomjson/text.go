package dicomjson

import (
	"bytes"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// texts appends ,"Value":[...] for a text element, nothing when it is only padding.
func (a *appender) texts(dst []byte, e *dicom.Element, v vr.VR) []byte {
	rest := trimRight(e.Value)
	if len(rest) == 0 {
		return dst
	}
	if a.o.UTF8 && e.Tag == tag.SpecificCharacterSet {
		return append(dst, `,"Value":["ISO_IR 192"]`...)
	}
	cs := a.cs
	if !v.Charset() {
		cs = charset.Default
	}
	dst = append(dst, `,"Value":[`...)
	if !v.Multi() {
		dst = a.string(dst, rest, cs)
		return append(dst, ']')
	}
	for more, first := true, true; more; first = false {
		var one []byte
		one, rest, more = cs.Cut(rest)
		if !first {
			dst = append(dst, ',')
		}
		one = trimRight(one)
		switch {
		case len(one) == 0:
			dst = append(dst, "null"...) // PS3.18 F.2.5
		case v == vr.PN:
			dst = a.personName(dst, one, cs)
		case v == vr.DS || v == vr.IS:
			dst = appendDecimal(dst, one, v)
		case v == vr.AE:
			dst = a.string(dst, bytes.TrimLeft(one, " "), cs)
		default:
			dst = a.string(dst, one, cs)
		}
	}
	return append(dst, ']')
}

// trimRight takes off padding: spaces, and the NULs that some devices pad text with.
func trimRight(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return b
}

// string appends encoded text as a JSON string.
func (a *appender) string(dst, b []byte, cs *charset.Set) []byte {
	if safe(b) && cs.ASCII() {
		dst = append(dst, '"')
		dst = append(dst, b...)
		return append(dst, '"')
	}
	a.text = cs.Append(a.text[:0], b, false)
	return appendString(dst, a.text)
}

// personName appends the component groups that are there (PS3.18 F.2.2). More than three groups
// do not exist in the model; what follows is left out.
func (a *appender) personName(dst, b []byte, cs *charset.Set) []byte {
	a.text = cs.Append(a.text[:0], b, true)
	dst = append(dst, '{')
	rest, first := a.text, true
	for _, name := range [...]string{`"Alphabetic":`, `"Ideographic":`, `"Phonetic":`} {
		group, after, found := bytes.Cut(rest, []byte{'='})
		if group = trimRight(group); len(group) > 0 {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(dst, name...)
			dst = appendString(dst, group)
		}
		if rest = after; !found {
			break
		}
	}
	return append(dst, '}')
}

// special has the bytes that cannot stand for themselves in a JSON string of ASCII.
var special = func() (t [256]bool) {
	for i := range t {
		t[i] = i < ' ' || i >= utf8.RuneSelf || i == '"' || i == '\\'
	}
	return t
}()

func safe(b []byte) bool {
	for _, c := range b {
		if special[c] {
			return false
		}
	}
	return true
}

const hexDigits = "0123456789abcdef"

// appendString appends UTF-8 as a JSON string; invalid bytes become U+FFFD.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		n := 0
		for n < len(s) && !special[s[n]] {
			n++
		}
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			break
		}
		c := s[0]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s)
			dst = utf8.AppendRune(dst, r)
			s = s[size:]
			continue
		}
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		s = s[1:]
	}
	return append(dst, '"')
}

// appendDecimal appends a value of DS or IS as the JSON number of the same digits, so that the
// precision stays. JSON wants no plus sign, no leading zeros and digits around the point. What
// is no number in the VR becomes a string (PS3.18 F.2.3 allows both).
func appendDecimal(dst, b []byte, v vr.VR) []byte {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if v == vr.DS && isJSONNumber(b) {
		return append(dst, b...)
	}
	n, ok := scanDecimal(b)
	if !ok || v == vr.IS && !n.integral() || len(b) > maxDecimal {
		return appendText(dst, b)
	}
	if len(bytes.TrimLeft(n.exponent, "+-")) > 2 { // 1e400 is a number in JSON and infinite to its readers
		if _, err := value.ParseDS(string(b)); err != nil {
			return appendText(dst, b)
		}
	}
	if n.negative {
		dst = append(dst, '-')
	}
	if len(n.whole) == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, n.whole...)
	if len(n.fraction) > 0 && v != vr.IS {
		dst = append(dst, '.')
		dst = append(dst, n.fraction...)
	}
	if n.exponent != nil {
		dst = append(dst, 'e')
		dst = append(dst, n.exponent...)
	}
	return dst
}

// isJSONNumber reports whether a short number without exponent is already as JSON wants it.
func isJSONNumber(b []byte) bool {
	if len(b) > maxDecimal {
		return false
	}
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	whole, b := digits(b)
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if len(b) == 0 {
		return true
	}
	if b[0] != '.' {
		return false
	}
	fraction, b := digits(b[1:])
	return len(fraction) > 0 && len(b) == 0
}

// maxDecimal is beyond what DS allows (16 bytes) as far as devices are.
const maxDecimal = 64

// appendText appends ASCII-based text that is not subject to Specific Character Set.
func appendText(dst, b []byte) []byte {
	if safe(b) {
		dst = append(dst, '"')
		dst = append(dst, b...)
		return append(dst, '"')
	}
	return appendString(dst, charset.Default.Append(nil, b, false))
}

// decimal is a number in the pieces JSON wants.
type decimal struct {
	negative bool
	whole    []byte // without leading zeros
	fraction []byte
	exponent []byte // with its sign; nil when there is none
}

// integral reports whether the number is written as an integer that every reader can hold;
// "1.0" passes.
func (n decimal) integral() bool {
	return n.exponent == nil && len(n.whole) <= 15 && len(bytes.TrimLeft(n.fraction, "0")) == 0
}

func scanDecimal(b []byte) (n decimal, ok bool) {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		n.negative = b[0] == '-'
		b = b[1:]
	}
	n.whole, b = digits(b)
	found := len(n.whole) > 0
	for len(n.whole) > 1 && n.whole[0] == '0' {
		n.whole = n.whole[1:]
	}
	if len(b) > 0 && b[0] == '.' {
		n.fraction, b = digits(b[1:])
		found = found || len(n.fraction) > 0
	}
	if found && len(b) > 1 && b[0]|0x20 == 'e' {
		n.exponent, b = b[1:], b[1:]
		if b[0] == '+' || b[0] == '-' {
			b = b[1:]
		}
		var power []byte
		power, b = digits(b)
		found = len(power) > 0
	}
	return n, found && len(b) == 0
}

func digits(b []byte) (run, rest []byte) {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return b[:n], b[n:]
}
