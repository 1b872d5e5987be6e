package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// fold brings text into the form in which it is compared: lower case, without accents, without
// the difference of half and full width (NFKD, the combining marks of Latin, Greek and Cyrillic
// taken off, NFC). Kana keep their voicing marks, which are no accents.
func fold(s string) string {
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

// foldName is fold for a person name, in the form of value.PersonName: spaces around components
// and empty components at the end say nothing.
func foldName(s string) string {
	s = fold(s)
	if !strings.ContainsAny(s, "^= ") {
		return s
	}
	return value.ParsePN(s).String()
}

// exact reports whether the attribute is compared with regard to case. PS3.4 C.2.2.2.1 wants
// that for everything but PN; users expect the opposite, and the archives they know (Orthanc,
// dcm4chee) fold. Here text is folded, except unique identifiers and what identifies a patient:
// two Patient IDs that differ in case are two patients.
func exact(t tag.Tag, v vr.VR) bool {
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
		return date(s)
	case vr.TM:
		return clock(s)
	case vr.PN:
		return foldName(s)
	}
	if exact(t, v) {
		if strings.IndexByte(s, 0) >= 0 {
			s = strings.ReplaceAll(s, "\x00", "")
		}
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return fold(s)
}

// one reports whether only the first value of the attribute counts: PS3.6 gives it one value,
// so a backslash in it is a mistake of whoever wrote it.
func one(t tag.Tag) bool {
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
