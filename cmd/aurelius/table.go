package main

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// defaultColumns are what find asks for, and shows, beside the keys on the command line.
var defaultColumns = map[string][]tag.Tag{
	"patient": {tag.PatientID, tag.PatientName, tag.PatientBirthDate, tag.PatientSex, tag.NumberOfPatientRelatedStudies},
	"study": {tag.StudyDate, tag.PatientID, tag.PatientName, tag.ModalitiesInStudy, tag.StudyDescription, tag.AccessionNumber,
		tag.NumberOfStudyRelatedSeries, tag.NumberOfStudyRelatedInstances, tag.StudyInstanceUID},
	"series": {tag.Modality, tag.SeriesNumber, tag.SeriesDescription, tag.NumberOfSeriesRelatedInstances, tag.SeriesInstanceUID},
	"image":  {tag.InstanceNumber, tag.SOPClassUID, tag.SOPInstanceUID},
}

// columns adds the default columns of the level to the keys, and returns what to show: keys that
// were asked for come first.
func columns(level string, request *dicom.Dataset) []tag.Tag {
	var shown []tag.Tag
	for e := range request.All() {
		if e.Tag != tag.QueryRetrieveLevel && e.Tag != tag.SpecificCharacterSet {
			shown = append(shown, e.Tag)
		}
	}
	for _, t := range defaultColumns[level] {
		if !request.Has(t) {
			request.SetElement(dicom.Element{Tag: t, VR: t.VR()})
			shown = append(shown, t)
		}
	}
	return shown
}

// table writes matches as aligned columns for a person, as tab-separated values for a program.
type table struct {
	w       io.Writer
	flush   func() error
	columns []tag.Tag
}

func newTable(w io.Writer, aligned bool, columns []tag.Tag) *table {
	t := &table{columns: columns}
	if aligned {
		tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		t.w, t.flush = tab, tab.Flush
	} else {
		buffered := bufio.NewWriter(w)
		t.w, t.flush = buffered, buffered.Flush
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		if names[i] = c.Keyword(); names[i] == "" {
			names[i] = c.String()
		}
	}
	_ = t.line(names) // a failure shows in flush
	return t
}

func (t *table) line(cells []string) error {
	_, err := io.WriteString(t.w, strings.Join(cells, "\t")+"\n")
	return err
}

func (t *table) row(d *dicom.Dataset) error {
	cells := make([]string, len(t.columns))
	for i, c := range t.columns {
		cells[i] = clean(cell(d, c))
	}
	return t.line(cells)
}

func cell(d *dicom.Dataset, t tag.Tag) string {
	e := d.Get(t)
	switch {
	case e == nil || e.IsEmpty():
		return ""
	case len(e.Items) > 0:
		return "<" + strconv.Itoa(len(e.Items)) + ">"
	case e.VR.Text():
		return strings.Join(d.Texts(t), ", ")
	}
	var numbers []string
	for _, f := range e.Floats() {
		numbers = append(numbers, strconv.FormatFloat(f, 'g', -1, 64))
	}
	return strings.Join(numbers, ", ")
}

// clean keeps what a peer sends from steering the terminal or breaking the table.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
