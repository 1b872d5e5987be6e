package web

import (
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
)

// study is a row of the page.
type study struct {
	UID         string `json:"uid"`
	Patient     string `json:"patient"`
	PatientID   string `json:"patient_id"`
	Date        string `json:"date"`
	Description string `json:"description"`
	Accession   string `json:"accession"`
	Modalities  string `json:"modalities"`
	Series      int64  `json:"series"`
	Instances   int64  `json:"instances"`
}

// studies returns what came in last, newest first.
func (s *Service) studies(c *gin.Context) ([]study, error) {
	found, err := s.arch.Recent(c.Request.Context(), s.cfg.Tenant, s.cfg.Studies)
	if err != nil {
		return nil, err
	}
	out := make([]study, 0, len(found))
	for _, d := range found {
		out = append(out, row(d))
	}
	return out, nil
}

func row(d *dicom.Dataset) study {
	series, _ := d.Int(tag.NumberOfStudyRelatedSeries)
	instances, _ := d.Int(tag.NumberOfStudyRelatedInstances)
	return study{
		UID:         d.UID(tag.StudyInstanceUID),
		Patient:     personName(d.Text(tag.PatientName)),
		PatientID:   d.Text(tag.PatientID),
		Date:        date(d.Text(tag.StudyDate), d.Text(tag.StudyTime)),
		Description: d.Text(tag.StudyDescription),
		Accession:   d.Text(tag.AccessionNumber),
		Modalities:  strings.Join(d.Texts(tag.ModalitiesInStudy), " "),
		Series:      series,
		Instances:   instances,
	}
}

// personName shows a PN as people write names: "Doe, John" and, where there is one, the
// ideographic form behind it. The phonetic one is how that is pronounced.
func personName(pn string) string {
	n := value.ParsePN(pn)
	return joinNonEmpty(" / ", fullName(n.Alphabetic), fullName(n.Ideographic))
}

func fullName(c value.NameComponents) string {
	return joinNonEmpty(", ", c.Family, joinNonEmpty(" ", c.Prefix, c.Given, c.Middle), c.Suffix)
}

// date shows DA and TM as people read them, to the minute; what is no date stays as it is.
func date(da, tm string) string {
	d, err := value.ParseDA(da)
	if err != nil {
		return da
	}
	out := fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
	if t, err := value.ParseTM(tm); err == nil && t.Precision >= value.Minute {
		out += fmt.Sprintf(" %02d:%02d", t.Hour, t.Minute)
	}
	return out
}
