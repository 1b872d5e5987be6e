// Package value reads and writes the character forms of values that mean more than text: person
// names (PN), dates and times (DA, TM, DT, also as ranges for matching, PS3.4 C.2.2.2.5),
// numbers (DS, IS) and ages (AS), by PS3.5 6.2. Input is UTF-8 without regard to padding; the
// older forms 1993.08.22 and 10:45:00 of ACR-NEMA are read too. It knows no data sets. AT is
// package tag.
package value

import (
	"fmt"
	"strconv"
	"strings"
)

// trim takes off padding.
func trim(s string) string { return strings.Trim(s, " \x00") }

// bad makes the error for text that is not of the VR. The text itself may be a patient's and
// is not repeated.
func bad(VR, why string) error { return fmt.Errorf("value: not a %s: %s", VR, why) }

// ParseDS reads a Decimal String. "+1", ".5" and "5." are numbers; NaN, infinities, hexadecimal
// and digit separators are not.
func ParseDS(s string) (float64, error) {
	s = trim(s)
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, bad("DS", "other characters than a number's")
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, bad("DS", "no number")
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

// ParseIS reads an Integer String. A fraction of zeros ("1.0"), which devices write, passes.
func ParseIS(s string) (int64, error) {
	s = trim(s)
	if whole, fraction, found := strings.Cut(s, "."); found && strings.Trim(fraction, "0") == "" {
		s = whole
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, bad("IS", "no integer")
	}
	return n, nil
}

// FormatIS writes an integer. Numbers beyond 32 bits are not for IS (PS3.5 Table 6.2-1).
func FormatIS(n int64) string { return strconv.FormatInt(n, 10) }

// Age is a value of AS.
type Age struct {
	N    int
	Unit byte // D, W, M or Y
}

// ParseAS reads an Age String, "018M". Fewer digits and lower case pass.
func ParseAS(s string) (Age, error) {
	s = strings.ToUpper(trim(s))
	if len(s) < 2 || len(s) > 4 {
		return Age{}, bad("AS", "want three digits and a unit")
	}
	unit := s[len(s)-1]
	n, ok := number(s[:len(s)-1])
	if !ok || !strings.ContainsRune("DWMY", rune(unit)) {
		return Age{}, bad("AS", "want three digits and one of D, W, M, Y")
	}
	return Age{N: n, Unit: unit}, nil
}

// String returns the form of PS3.5.
func (a Age) String() string { return fmt.Sprintf("%03d%c", a.N, a.Unit) }

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
