// Package value reads and writes the character forms of values that mean more than text: person
// names (PN), dates and times (DA, TM, DT) and numbers (DS, IS), by PS3.5 6.2. Input is UTF-8
// without regard to padding; the older forms 1993.08.22 and 10:45:00 of ACR-NEMA are read too.
// It knows no data sets and no matching: ranges are package query's. AT is package tag.
package value

import (
	"math"
	"strconv"
	"strings"
)

// notA is the error for text that is not of a VR. The text itself may be a patient's and is not
// repeated; so the errors are constants, and a bad value costs no more than a good one.
type notA string

func (e notA) Error() string { return "value: not a " + string(e) }

// trim takes off padding.
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == 0) {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == 0) {
		s = s[:len(s)-1]
	}
	return s
}

// ParseDS reads a Decimal String. "+1", ".5" and "5." are numbers; NaN, infinities, hexadecimal
// and digit separators are not.
func ParseDS(s string) (float64, error) {
	s = trim(s)
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, notA("DS: other characters than a number's")
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, notA("DS: no number")
	}
	return f, nil
}

// FormatDS writes a number in at most 16 characters, with as many digits as that allows.
func FormatDS(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	for precision := 16; len(s) > 16; precision-- {
		s = strconv.FormatFloat(f, 'g', precision, 64)
	}
	return s
}

// ParseIS reads an Integer String. A whole number in the notation of DS ("1.0", "1e2"), which
// devices write, passes as far as a float64 is exact.
func ParseIS(s string) (int64, error) {
	s = trim(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	f, err := ParseDS(s)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, notA("IS: no whole number")
	}
	return int64(f), nil
}

// number reads decimal digits only: no sign, at most nine of them.
func number(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}

// appendNumber is the way back: the last width digits of n, with zeros in front.
func appendNumber(b []byte, n, width int) []byte {
	at := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := len(b) - 1; i >= at; i-- {
		b[i] += byte(n % 10)
		n /= 10
	}
	return b
}
