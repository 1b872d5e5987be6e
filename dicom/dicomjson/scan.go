package dicomjson

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// peek passes over white space and returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	for ; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// object calls member with each name, the value being next. The name is good until the call.
func (p *parser) object(member func(name []byte) error) error {
	p.i++ // {
	for first := true; p.peek() != '}'; first = false {
		if !first {
			p.i++ // ,
		}
		name, _ := p.string()
		if p.peek() == ':' {
			p.i++
		}
		p.peek()
		if err := member(name); err != nil {
			return err
		}
	}
	p.i++
	return nil
}

// list calls value with each value of an array being next.
func (p *parser) list(value func() error) error {
	p.i++ // [
	for first := true; p.peek() != ']'; first = false {
		if !first {
			p.i++ // ,
		}
		p.peek()
		if err := value(); err != nil {
			return err
		}
	}
	p.i++
	return nil
}

// skip passes over a value.
func (p *parser) skip() error {
	start := p.i
	for depth := 0; ; {
		switch p.peek() {
		case '{', '[':
			depth++
			p.i++
		case '}', ']':
			depth--
			p.i++
		case ',', ':':
			p.i++
		case '"':
			p.string()
		case 0:
			return p.fail("unexpected end")
		default:
			p.literal()
		}
		if depth == 0 {
			break
		}
	}
	if p.skipped += p.i - start; p.skipped > maxSkip*len(p.b) {
		return errs.Errorf(errs.Exhausted, "dicomjson.Unmarshal", "vr stands behind Value too often")
	}
	return nil
}

// literal returns a number, true, false or null.
func (p *parser) literal() []byte {
	p.peek()
	start := p.i
	for ; p.i < len(p.b); p.i++ {
		switch p.b[p.i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r', ':', '"', '[', '{':
			return p.b[start:p.i]
		}
	}
	return p.b[start:]
}

// string returns a string's text as valid UTF-8; ok is false when the value is none. The result
// may alias the input.
func (p *parser) string() (s []byte, ok bool) {
	if p.peek() != '"' {
		return nil, false
	}
	p.i++
	start := p.i
	for p.i < len(p.b) && p.b[p.i] != '"' && p.b[p.i] != '\\' && p.b[p.i] < utf8.RuneSelf {
		p.i++
	}
	if p.i < len(p.b) && p.b[p.i] == '"' {
		p.i++
		return p.b[start : p.i-1], true
	}
	s = append(s, p.b[start:p.i]...)
	for p.i < len(p.b) {
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			return s, true
		case c == '\\':
			s = p.escape(s)
		default:
			r, n := utf8.DecodeRune(p.b[p.i:])
			s = utf8.AppendRune(s, r)
			p.i += n
		}
	}
	return s, false
}

// escape appends the character of the escape sequence that is next.
func (p *parser) escape(s []byte) []byte {
	c := byte(0)
	if p.i+1 < len(p.b) {
		c = p.b[p.i+1]
	}
	p.i += 2
	switch c {
	case 'b':
		return append(s, '\b')
	case 'f':
		return append(s, '\f')
	case 'n':
		return append(s, '\n')
	case 'r':
		return append(s, '\r')
	case 't':
		return append(s, '\t')
	case 'u':
		r := p.hex4(p.i)
		p.i += 4
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if p.i+6 <= len(p.b) && p.b[p.i] == '\\' && p.b[p.i+1] == 'u' {
				low = p.hex4(p.i + 2)
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				p.i += 6
			}
		}
		return utf8.AppendRune(s, r)
	}
	return append(s, c)
}

func (p *parser) hex4(at int) (r rune) {
	for i := at; i < at+4 && i < len(p.b); i++ {
		c := p.b[i]
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c&15)
	}
	return r
}
