package attribute

import (
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
)

// Computed are the attributes of a study that are worked out on the way out.
var Computed = []tag.Tag{tag.InstanceAvailability, tag.ModalitiesInStudy, tag.SOPClassesInStudy,
	tag.NumberOfStudyRelatedSeries, tag.NumberOfStudyRelatedInstances}

// Reserve puts the attributes that are computed on the way out into what is kept of a study, so
// that a listing need not make room for them.
func Reserve(d *dicom.Dataset) {
	for _, t := range Computed {
		d.SetText(t)
	}
}

// Patient builds what a patient answers from its attributes and counts.
func Patient(attrs []byte, studies, series, instances int64) (*dicom.Dataset, error) {
	d, err := Decode(attrs)
	if err != nil {
		return nil, err
	}
	counts := []dicom.Element{
		TextElement(tag.InstanceAvailability, vr.CS, "ONLINE"),
		TextElement(tag.NumberOfPatientRelatedStudies, vr.IS, strconv.FormatInt(studies, 10)),
		TextElement(tag.NumberOfPatientRelatedSeries, vr.IS, strconv.FormatInt(series, 10)),
		TextElement(tag.NumberOfPatientRelatedInstances, vr.IS, strconv.FormatInt(instances, 10)),
	}
	d.Elements = Merge(counts, d.Elements)
	return d, nil
}

// Study builds what a study answers from its attributes, its sets (see Join) and counts.
func Study(attrs []byte, modalities, classes string, series, instances int64) (*dicom.Dataset, error) {
	d, err := Decode(attrs)
	if err != nil {
		return nil, err
	}
	for i := range d.Elements {
		e := &d.Elements[i]
		switch e.Tag {
		case tag.InstanceAvailability:
			*e = TextElement(e.Tag, vr.CS, "ONLINE")
		case tag.ModalitiesInStudy:
			*e = setElement(e.Tag, vr.CS, modalities)
		case tag.SOPClassesInStudy:
			*e = setElement(e.Tag, vr.UI, classes)
		case tag.NumberOfStudyRelatedSeries:
			*e = TextElement(e.Tag, vr.IS, strconv.FormatInt(series, 10))
		case tag.NumberOfStudyRelatedInstances:
			*e = TextElement(e.Tag, vr.IS, strconv.FormatInt(instances, 10))
		}
	}
	return d, nil
}

// Series builds what a series answers under its study's answer.
func Series(study *dicom.Dataset, attrs []byte, instances int64) (*dicom.Dataset, error) {
	d, err := Decode(attrs)
	if err != nil {
		return nil, err
	}
	counts := []dicom.Element{TextElement(tag.NumberOfSeriesRelatedInstances, vr.IS, strconv.FormatInt(instances, 10))}
	return &dicom.Dataset{Elements: Merge(study.Elements, counts, d.Elements)}, nil
}

// Own is what an instance adds to its series.
type Own struct {
	SOPInstanceUID, SOPClassUID, TransferSyntaxUID string

	Bytes  []byte // the attributes, or the packed header
	Header bool
}

// Instance builds what an instance answers under its series' answer.
func Instance(series *dicom.Dataset, own Own) (*dicom.Dataset, error) {
	d, err := own.dataset()
	if err != nil {
		return nil, err
	}
	known := [...]dicom.Element{
		TextElement(tag.SOPClassUID, vr.UI, own.SOPClassUID),
		TextElement(tag.SOPInstanceUID, vr.UI, own.SOPInstanceUID),
		TextElement(tag.AvailableTransferSyntaxUID, vr.UI, own.TransferSyntaxUID),
	}
	return &dicom.Dataset{Elements: Merge(series.Elements, known[:], d.Elements)}, nil
}

// dataset returns the instance's own attributes in UTF-8.
func (o *Own) dataset() (*dicom.Dataset, error) {
	if !o.Header {
		return Decode(o.Bytes)
	}
	b, err := UnpackHeader(o.Bytes)
	if err != nil || b == nil {
		return &dicom.Dataset{}, err
	}
	h, err := dicom.ParseHeader(b)
	if err != nil {
		return nil, err
	}
	s := &Split{ds: h.Dataset}
	return s.Level(inOrder(pointers(h.Dataset))), nil
}

// Beyond reports whether a query at the instance level asks for attributes that stand in the
// header only; rest are the keys that are matched against the answer.
func Beyond(q *query.Query, rest []query.Key) bool {
	for _, k := range rest {
		if len(k.Path) > 0 && query.LevelOf(k.Path[0]) == query.Instance && !kept(k.Path[0]) {
			return true
		}
	}
	for _, t := range q.Return {
		if query.LevelOf(t) == query.Instance && !kept(t) {
			return true
		}
	}
	return false
}

func kept(t tag.Tag) bool {
	switch t {
	case tag.SOPInstanceUID, tag.SOPClassUID, tag.AvailableTransferSyntaxUID, tag.InstanceAvailability,
		tag.SpecificCharacterSet, tag.RetrieveURL, tag.RetrieveAETitle, tag.QueryRetrieveLevel:
		return true
	}
	return instanceAttrs[t]
}

// Join adds to a set kept as \A\B\.
func Join(set, s string) string {
	if set == "" {
		set = `\`
	}
	return set + s + `\`
}

// Modality is the first value of Modality as it came.
func Modality(d *dicom.Dataset) string {
	return strings.ReplaceAll(d.Text(tag.Modality), `\`, "")
}

// TextElement is an element of ASCII text; an empty value stays empty.
func TextElement(t tag.Tag, v vr.VR, s string) dicom.Element {
	b := []byte(s)
	if len(b)%2 == 1 {
		b = append(b, v.Padding())
	}
	return dicom.Element{Tag: t, VR: v, Value: b}
}

func setElement(t tag.Tag, v vr.VR, set string) dicom.Element {
	return TextElement(t, v, strings.Trim(set, `\`))
}

// Merge joins lists in order of tags; of a tag in several the element of the first list stays.
// Elements are copied in runs: with a hundred of them for each match that is what a listing
// spends its time on.
func Merge(lists ...[]dicom.Element) []dicom.Element {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	out := make([]dicom.Element, 0, n)
	for {
		first := -1
		for i, l := range lists {
			if len(l) > 0 && (first < 0 || l[0].Tag < lists[first][0].Tag) {
				first = i
			}
		}
		if first < 0 {
			return out
		}
		l := lists[first]
		limit := ^tag.Tag(0)
		for i, other := range lists {
			if i == first || len(other) == 0 {
				continue
			}
			if other[0].Tag == l[0].Tag {
				lists[i] = other[1:]
				other = lists[i]
			}
			if len(other) > 0 {
				limit = min(limit, other[0].Tag)
			}
		}
		run := 1
		for run < len(l) && l[run].Tag < limit {
			run++
		}
		out = append(out, l[:run]...)
		lists[first] = l[run:]
	}
}
