package query

import (
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// FromIdentifier reads a C-FIND, C-MOVE or C-GET Identifier. patientRoot says which information
// model was negotiated. Missing or unknown QueryRetrieveLevel is errs.Mismatch. Unique keys of
// the levels above may be missing, as in relational queries (PS3.4 C.4.1.3.1).
func FromIdentifier(d *dicom.Dataset, patientRoot bool) (*Query, error) {
	const op = "query.FromIdentifier"
	q := &Query{Identifier: true}
	switch strings.ToUpper(d.Text(tag.QueryRetrieveLevel)) {
	case "PATIENT":
		if !patientRoot {
			return nil, errs.Errorf(errs.Mismatch, op, "Study Root has no PATIENT level")
		}
		q.Level = Patient
	case "STUDY":
		q.Level = Study
	case "SERIES":
		q.Level = Series
	case "IMAGE", "INSTANCE":
		q.Level = Instance
	case "":
		return nil, errs.Errorf(errs.Mismatch, op, "QueryRetrieveLevel is missing")
	default:
		return nil, errs.Errorf(errs.Mismatch, op, "QueryRetrieveLevel is none of PATIENT, STUDY, SERIES, IMAGE")
	}
	if err := q.identify(op, d, nil); err != nil {
		return nil, err
	}
	return q, nil
}

// identify reads the elements of the Identifier, or of an item in it, as keys.
func (q *Query) identify(op string, d *dicom.Dataset, path []tag.Tag) error {
	for i := range d.Elements {
		e := &d.Elements[i]
		if len(path) == 0 && aside(e.Tag) || e.Tag.GroupLength() {
			continue
		}
		if len(path) == 0 {
			q.Return = append(q.Return, e.Tag)
		}
		if len(q.Return)+len(q.Keys) > maxKeys {
			return errs.Errorf(errs.Invalid, op, "more than %d keys", maxKeys)
		}
		here := append(path[:len(path):len(path)], e.Tag)
		if len(e.Items) > 0 {
			if len(here) >= maxDepth {
				return errs.Errorf(errs.Invalid, op, "sequences more than %d deep", maxDepth)
			}
			if err := q.identify(op, e.Items[0], here); err != nil {
				return err
			}
			continue
		}
		if e.IsEmpty() || e.VR == vr.SQ {
			continue
		}
		if err := q.identifyValue(op, d, e, here); err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) identifyValue(op string, d *dicom.Dataset, e *dicom.Element, path []tag.Tag) error {
	v := dictionaryVR(e.Tag, e.VR)
	text, ok := asText(d, e)
	if !ok {
		q.Ignored = append(q.Ignored, e.Tag)
		return nil
	}
	k, found, err := newKey(op, path, v, text)
	if err != nil || !found {
		return err
	}
	if k, found = place(q.Level, k); !found {
		q.Ignored = append(q.Ignored, e.Tag)
		return nil
	}
	q.Keys = append(q.Keys, k)
	return nil
}

// aside lists what stands in an Identifier but is no key.
func aside(t tag.Tag) bool {
	switch t {
	case tag.SpecificCharacterSet, tag.QueryRetrieveLevel, tag.QueryRetrieveView,
		tag.TimezoneOffsetFromUTC, tag.RetrieveAETitle, tag.InstanceAvailability:
		return true
	}
	return t.PrivateCreator()
}

// asText gives the value of a key as QIDO would spell it.
func asText(d *dicom.Dataset, e *dicom.Element) (string, bool) {
	switch e.VR {
	case vr.UN:
		return string(e.Value), true
	case vr.FL, vr.FD:
		return formatFloats(e.Floats()), true
	case vr.AT:
		var out []string
		for _, n := range e.Ints() {
			out = append(out, tag.Tag(n).Hex())
		}
		return strings.Join(out, `\`), true
	case vr.US, vr.SS, vr.UL, vr.SL, vr.UV, vr.SV:
		return formatInts(e.Ints()), true
	}
	if !e.VR.Text() {
		return "", false
	}
	return strings.Join(d.Texts(e.Tag), `\`), true
}

// dictionaryVR prefers the dictionary: a key of VR UN is what implicit VR peers send for what
// they do not know.
func dictionaryVR(t tag.Tag, v vr.VR) vr.VR {
	if info, ok := tag.Lookup(t); ok {
		for _, other := range info.VRs {
			if other == v {
				return v
			}
		}
		return info.VR
	}
	return v
}
