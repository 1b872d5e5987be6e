package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// keyFlags name what is asked for, the same way in find, move and get.
type keyFlags struct {
	Level string   `short:"l" placeholder:"LEVEL" enum:",patient,study,series,image" default:"" help:"patient, study, series or image; by default the level of the deepest UID among the keys, else study."`
	Key   []string `short:"k" sep:"none" placeholder:"KEYWORD=VALUE" help:"A key, as in PatientID=123, StudyDate=20260101-20261231 or PatientName=SMITH*; repeatable. A keyword alone asks for the attribute."`
}

// uniqueKeys are the unique keys of the levels, deepest first (PS3.4 C.6.1.1).
var uniqueKeys = []struct {
	level string
	tag   tag.Tag
}{
	{"image", tag.SOPInstanceUID},
	{"series", tag.SeriesInstanceUID},
	{"study", tag.StudyInstanceUID},
	{"patient", tag.PatientID},
}

// identifier makes the Identifier of a request. A retrieval (PS3.4 C.4.2.2.1) must name what it
// wants by unique keys, so there a PatientID alone means the patient.
func (k keyFlags) identifier(retrieve bool) (level string, d *dicom.Dataset, err error) {
	d = &dicom.Dataset{}
	for _, spelled := range k.Key {
		if err := setKey(d, spelled); err != nil {
			return "", nil, err
		}
	}
	level = k.Level
	for _, u := range uniqueKeys {
		if e := d.Get(u.tag); level == "" && e != nil && !e.IsEmpty() && (retrieve || u.level != "patient") {
			level = u.level
		}
	}
	if level == "" {
		level = "study"
	}
	if retrieve {
		for _, u := range uniqueKeys {
			if e := d.Get(u.tag); u.level == level && (e == nil || e.IsEmpty()) {
				return "", nil, fmt.Errorf("at level %s say which: --key %s=...", level, u.tag.Keyword())
			}
		}
	}
	d.SetText(tag.QueryRetrieveLevel, strings.ToUpper(level))
	return level, d, nil
}

// setKey sets KEYWORD=VALUE; dots lead into sequences: RequestAttributesSequence.StudyInstanceUID.
func setKey(d *dicom.Dataset, spelled string) error {
	name, value, _ := strings.Cut(spelled, "=")
	path := strings.Split(name, ".")
	for i, step := range path {
		t, err := tag.Parse(step)
		if err != nil {
			return fmt.Errorf("--key %s: no attribute has the keyword or tag %q", spelled, step)
		}
		if i == len(path)-1 {
			if t.VR() == vr.SQ {
				d.SetItems(t)
				return nil
			}
			return setValue(d, t, value)
		}
		items := d.Items(t)
		if len(items) == 0 {
			items = []*dicom.Dataset{{}}
			d.SetItems(t, items...)
		}
		d = items[0]
	}
	return nil
}

// setValue sets a value as it is spelled, several with backslashes between them.
func setValue(d *dicom.Dataset, t tag.Tag, value string) error {
	values := strings.Split(value, `\`)
	switch v := t.VR(); {
	case value == "":
		d.SetElement(dicom.Element{Tag: t, VR: v})
	case v == vr.UI:
		d.SetUID(t, values...)
	case v.Text():
		d.SetText(t, value)
	default:
		numbers := make([]float64, len(values))
		for i, s := range values {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return fmt.Errorf("--key %s: %q is no number", t.Keyword(), s)
			}
			numbers[i] = n
		}
		d.SetFloats(t, numbers...)
	}
	return nil
}
