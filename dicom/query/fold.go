package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Fold brings text into the form in which it is compared: lower case, without accents, without
// the difference of half and full width (NFKD, the combining marks of Latin, Greek and Cyrillic
// taken off, NFC). Kana keep their voicing marks, which are no accents.
func Fold(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf || c == 0 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	s = norm.NFKD.String(strings.ToValidUTF8(s, "\uFFFD"))
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch {
		case r == 0 || r >= 0x0300 && r <= 0x036F:
		case r < utf8.RuneSelf:
			b.WriteByte(byte(unicode.ToLower(r)))
		default:
			if t, ok := letters[unicode.ToLower(r)]; ok {
				b.WriteString(t)
			} else {
				b.WriteRune(unicode.ToLower(r))
			}
		}
	}
	return norm.NFC.String(b.String())
}

// letters are those whose stroke or ligature Unicode does not decompose.
var letters = map[rune]string{
	'ß': "ss", 'ø': "o", 'ł': "l", 'đ': "d", 'æ': "ae", 'œ': "oe", 'ı': "i", 'þ': "th", 'ð': "d", 'ħ': "h",
}

// FoldName is Fold for a person name (PS3.5 6.2.1): in each component group, and in each
// component, spaces around and empty components at the end say nothing.
func FoldName(s string) string {
	s = Fold(s)
	if !strings.ContainsAny(s, "^= ") {
		return s
	}
	groups := strings.Split(s, "=")
	for i, g := range groups {
		parts := strings.Split(g, "^")
		for j := range parts {
			parts[j] = strings.TrimSpace(parts[j])
		}
		groups[i] = strings.TrimRight(strings.Join(parts, "^"), "^")
	}
	return strings.TrimRight(strings.Join(groups, "="), "=")
}

// Exact reports whether the attribute is compared with regard to case. PS3.4 C.2.2.2.1 wants
// that for everything but PN; users expect the opposite, and the archives they know (Orthanc,
// dcm4chee) fold. Here text is folded, except unique identifiers and what identifies a patient:
// two Patient IDs that differ in case are two patients.
func Exact(t tag.Tag, v vr.VR) bool {
	switch t {
	case tag.PatientID, tag.IssuerOfPatientID:
		return true
	}
	switch v {
	case vr.PN, vr.LO, vr.SH, vr.LT, vr.ST, vr.UT, vr.UC, vr.CS, vr.AE, vr.AS:
		return false
	}
	return true
}

// Canon brings one stored or asked value of a text attribute into the form Match compares and
// an index keeps in a column. Dates and times that are none become "".
func Canon(t tag.Tag, v vr.VR, s string) string {
	switch v {
	case vr.DA:
		d, _ := Date(s)
		return d
	case vr.TM:
		c, _ := Clock(s)
		return c
	case vr.PN:
		return FoldName(s)
	}
	if Exact(t, v) {
		if strings.IndexByte(s, 0) >= 0 {
			s = strings.ReplaceAll(s, "\x00", "")
		}
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return Fold(s)
}

// One reports whether only the first value of the attribute counts: PS3.6 gives it one value,
// so a backslash in it is a mistake of whoever wrote it.
func One(t tag.Tag) bool {
	info, ok := tag.Lookup(t)
	return ok && info.VM == "1"
}

// Words cuts a folded name into the words fuzzy matching works on.
func Words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		switch r {
		case '^', '=', ' ', ',', '.', '-', '\'', '*', '?', '\\':
			return true
		}
		return false
	})
}
