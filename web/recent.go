package web

import (
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
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
// ideographic form behind it (PS3.5 6.2.1).
func personName(pn string) string {
	groups := strings.Split(pn, "=")
	for i, g := range groups {
		parts := strings.Split(g, "^")
		for len(parts) < 5 {
			parts = append(parts, "")
		}
		for j := range parts {
			parts[j] = strings.TrimSpace(parts[j])
		}
		given := joinNonEmpty(" ", parts[3], parts[1], parts[2])
		groups[i] = joinNonEmpty(", ", parts[0], given, parts[4])
	}
	if len(groups) > 2 {
		groups = groups[:2] // the third is how the second is pronounced
	}
	return joinNonEmpty(" / ", groups...)
}

// date shows DA and TM as people read them; what is no date stays as it is.
func date(da, tm string) string {
	if len(da) != 8 || strings.Trim(da, "0123456789") != "" {
		return da
	}
	out := da[:4] + "-" + da[4:6] + "-" + da[6:]
	if len(tm) >= 4 && strings.Trim(tm[:4], "0123456789") == "" {
		out += " " + tm[:2] + ":" + tm[2:4]
	}
	return out
}
