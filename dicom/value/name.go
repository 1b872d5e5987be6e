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
	alphabetic, rest, _ := strings.Cut(trim(s), "=")
	ideographic, rest, _ := strings.Cut(rest, "=")
	phonetic, _, _ := strings.Cut(rest, "=")
	return PersonName{components(alphabetic), components(ideographic), components(phonetic)}
}

func components(group string) NameComponents {
	var c NameComponents
	for _, part := range []*string{&c.Family, &c.Given, &c.Middle, &c.Prefix} {
		var one string
		one, group, _ = strings.Cut(group, "^")
		*part = trim(one)
	}
	c.Suffix = trim(group)
	return c
}

// String returns the encoded form without empty components and groups at the end.
func (n PersonName) String() string {
	s := n.Alphabetic.String() + "=" + n.Ideographic.String() + "=" + n.Phonetic.String()
	return strings.TrimRight(s, "=")
}

// String returns the group in encoded form.
func (c NameComponents) String() string {
	s := strings.Join([]string{c.Family, c.Given, c.Middle, c.Prefix, c.Suffix}, "^")
	return strings.TrimRight(s, "^")
}

// IsZero reports whether no component is given.
func (c NameComponents) IsZero() bool { return c == NameComponents{} }

// Format returns the name as people write it: "Dr. Ada Mary Lovelace, PhD".
func (c NameComponents) Format() string {
	words := strings.Join(strings.Fields(strings.Join([]string{c.Prefix, c.Given, c.Middle, c.Family}, " ")), " ")
	switch {
	case c.Suffix == "":
		return words
	case words == "":
		return c.Suffix
	}
	return words + ", " + c.Suffix
}
