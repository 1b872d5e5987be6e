package query

import (
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Bounds of a question from outside.
const (
	maxKeys   = 512       // keys and attributes asked for
	maxValues = 64 << 10  // values of one key: a list of UIDs may be long
	maxDepth  = 16        // sequences a path goes into
	maxText   = 256 << 10 // characters of one key
	maxValue  = 4 << 10   // characters of one value: longer than any attribute that is searched
)

// newKey makes the key of an attribute from what was asked, or reports false for universal
// matching. The VR decides what the text means (PS3.4 C.2.2.2).
func newKey(op string, path []tag.Tag, v vr.VR, text string) (Key, bool, error) {
	k := Key{Path: path, VR: v}
	if len(text) > maxText {
		return k, false, errs.Errorf(errs.Invalid, op, "a key of %s is too long", path[len(path)-1])
	}
	text = strings.Trim(text, " \x00")
	if text == `""` {
		k.Kind = Empty
		return k, true, nil
	}
	if strings.Trim(text, "*") == "" { // nothing, or stars only
		return k, false, nil
	}
	switch v {
	case vr.DA, vr.TM, vr.DT:
		return timeKey(op, k, text)
	case vr.SQ, vr.OB, vr.OW, vr.OF, vr.OD, vr.OL, vr.OV:
		return k, false, errs.Errorf(errs.Invalid, op, "%s cannot be matched by value", path[len(path)-1])
	}
	for _, s := range split(v, text) {
		if s = strings.Trim(s, " \x00"); len(s) > maxValue {
			return k, false, errs.Errorf(errs.Invalid, op, "a value of %s is too long", path[len(path)-1])
		} else if s != "" {
			k.Values = append(k.Values, s)
		}
	}
	switch n := len(k.Values); {
	case n == 0:
		return k, false, nil
	case n > maxValues:
		return k, false, errs.Errorf(errs.Invalid, op, "too many values of %s", path[len(path)-1])
	case n > 1:
		k.Kind = List
	case wild(k.Values[0]) && wildcards(v):
		k.Kind = Wildcard
		k.Values[0] = collapse(k.Values[0])
	}
	return k, true, nil
}

// split takes several values apart. A comma cannot stand in a UID or a code string.
func split(v vr.VR, text string) []string {
	switch v {
	case vr.LT, vr.ST, vr.UT, vr.UR:
		return []string{text}
	case vr.UI, vr.CS:
		return strings.FieldsFunc(text, func(r rune) bool { return r == '\\' || r == ',' })
	}
	return strings.Split(text, `\`)
}

// wildcards reports whether * and ? mean something in the VR (PS3.4 C.2.2.2.4).
func wildcards(v vr.VR) bool {
	switch v {
	case vr.AE, vr.AS, vr.CS, vr.LO, vr.LT, vr.PN, vr.SH, vr.ST, vr.UC, vr.UR, vr.UT, vr.UN, vr.DA, vr.TM:
		return true
	}
	return false
}

// collapse makes one star of several in a row.
func collapse(s string) string {
	for strings.Contains(s, "**") {
		s = strings.ReplaceAll(s, "**", "*")
	}
	return s
}

// place puts a key where it can be matched at the level: as it is, as ModalitiesInStudy, or not
// at all (false).
func place(level Level, k Key) (Key, bool) {
	if LevelOf(k.Path[0]) <= level {
		return k, true
	}
	if level == Study && len(k.Path) == 1 && k.Path[0] == tag.Modality {
		k.Path = []tag.Tag{tag.ModalitiesInStudy}
		return k, true
	}
	return k, false
}
