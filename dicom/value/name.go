package value

import "strings"

// PersonName is a value of PN: up to three representations of one name (PS3.5 6.2.1).
type PersonName struct {
	Alphabetic  NameComponents
	Ideographic NameComponents
	Phonetic    NameComponents
}

// NameComponents are the parts of one representation. For animals Family is the responsible
// person and Given the animal (PS3.5 6.2.1.2).
type NameComponents struct {
	Family string
	Given  string
	Middle string
	Prefix string
	Suffix string
}

// ParsePN reads a person name. Every text is one: a fourth group is left out, components beyond
// the fifth stay with the suffix.
func ParsePN(s string) PersonName {
	alphabetic, rest, _ := strings.Cut(s, "=")
	ideographic, rest, _ := strings.Cut(rest, "=")
	phonetic, _, _ := strings.Cut(rest, "=")
	return PersonName{components(alphabetic), components(ideographic), components(phonetic)}
}

func components(group string) NameComponents {
	var c NameComponents
	for _, part := range [...]*string{&c.Family, &c.Given, &c.Middle, &c.Prefix} {
		var one string
		one, group, _ = strings.Cut(group, "^")
		*part = trim(one)
	}
	c.Suffix = strings.TrimRight(trim(group), "^ \x00")
	return c
}

// String returns the encoded form without spaces around components, and without empty components
// and groups at the end.
func (n PersonName) String() string {
	b := make([]byte, 0, 64)
	b = append(n.Alphabetic.append(b), '=')
	b = append(n.Ideographic.append(b), '=')
	return string(trimEnd(n.Phonetic.append(b), 0, '='))
}

func (c NameComponents) append(b []byte) []byte {
	start := len(b)
	for i, part := range [...]string{c.Family, c.Given, c.Middle, c.Prefix, c.Suffix} {
		if i > 0 {
			b = append(b, '^')
		}
		b = append(b, part...)
	}
	return trimEnd(b, start, '^')
}

// trimEnd takes delimiters off the end of b, down to length from.
func trimEnd(b []byte, from int, delimiter byte) []byte {
	for len(b) > from && b[len(b)-1] == delimiter {
		b = b[:len(b)-1]
	}
	return b
}
