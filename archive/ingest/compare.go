package ingest

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/storage"
)

// Finder answers queries: archive.Archive, or a client of a server that has one.
type Finder interface {
	Find(ctx context.Context, t storage.TenantID, q *query.Query) iter.Seq2[*dicom.Dataset, error]
}

// Difference is something that Orthanc's index and the archive do not agree on. It holds what
// identifies patients: it is for the operator.
type Difference struct {
	Level   string // patient, study, series
	UID     string // of study or series; the Patient ID
	What    string // "instances", or the attribute's keyword
	Orthanc string
	Archive string
	Less    bool // the archive has fewer instances
}

// Compared counts what Compare looked at.
type Compared struct {
	Patients, Studies, Series int64
	Differences               int64
	Less                      int64 // of these: the archive has fewer instances
}

// What follows a resource of a level, down to its instances.
const (
	orthancPatients = `SELECT r.internalId, v.value, (SELECT count(*) FROM Resources st
		JOIN Resources se ON se.parentId = st.internalId JOIN Resources i ON i.parentId = se.internalId WHERE st.parentId = r.internalId)
		FROM Resources r LEFT JOIN MainDicomTags v ON v.id = r.internalId AND v.tagGroup = 16 AND v.tagElement = 32
		WHERE r.resourceType = ? ORDER BY r.internalId`
	orthancStudies = `SELECT r.internalId, v.value, (SELECT count(*) FROM Resources se
		JOIN Resources i ON i.parentId = se.internalId WHERE se.parentId = r.internalId)
		FROM Resources r LEFT JOIN MainDicomTags v ON v.id = r.internalId AND v.tagGroup = 32 AND v.tagElement = 13
		WHERE r.resourceType = ? ORDER BY r.internalId`
	orthancSeriesOf = `SELECT r.internalId, v.value, (SELECT count(*) FROM Resources i WHERE i.parentId = r.internalId)
		FROM Resources r LEFT JOIN MainDicomTags v ON v.id = r.internalId AND v.tagGroup = 32 AND v.tagElement = 14
		WHERE r.resourceType = ? AND r.parentId = ? ORDER BY r.internalId`
	orthancTags = `SELECT tagGroup, tagElement, value FROM MainDicomTags WHERE id = ?`
)

// compared are the attributes of a study that both sides keep.
var compared = []tag.Tag{tag.PatientID, tag.PatientName, tag.PatientBirthDate, tag.PatientSex,
	tag.StudyDate, tag.StudyTime, tag.AccessionNumber, tag.StudyID, tag.StudyDescription, tag.ReferringPhysicianName}

// Compare holds what Orthanc's index says of patients, studies and series against the archive:
// the numbers of instances, and the attributes of the studies. More instances here than there are
// no fault where the archive was not empty. Differences of names may be Orthanc's: before 1.12 it
// did not decode every character set.
func (o *Orthanc) Compare(ctx context.Context, a Finder, t storage.TenantID, each func(Difference)) (Compared, error) {
	c := &comparison{o: o, archive: a, tenant: t, each: each}
	err := c.resources(orthancPatients, func(_ int64, id string, n int64) error {
		c.sum.Patients++
		return c.patient(ctx, id, n)
	}, orthancPatient)
	if err == nil {
		err = c.resources(orthancStudies, func(internal int64, uid string, n int64) error {
			c.sum.Studies++
			return c.study(ctx, internal, uid, n)
		}, orthancStudy)
	}
	return c.sum, err
}

type comparison struct {
	o       *Orthanc
	archive Finder
	tenant  storage.TenantID
	each    func(Difference)
	sum     Compared
}

// resources calls each with internal ID, identifier and number of instances of every row.
func (c *comparison) resources(sql string, each func(internal int64, id string, n int64) error, args ...any) error {
	rows, err := c.o.Index.Query(sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Int(0), rows.Text(1), rows.Int(2)); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c *comparison) tell(d Difference) {
	c.sum.Differences++
	if d.Less {
		c.sum.Less++
	}
	c.each(d)
}

func (c *comparison) counts(level, uid string, theirs, ours int64) {
	if theirs != ours {
		c.tell(Difference{Level: level, UID: uid, What: "instances", Orthanc: strconv.FormatInt(theirs, 10),
			Archive: strconv.FormatInt(ours, 10), Less: ours < theirs})
	}
}

func (c *comparison) patient(ctx context.Context, id string, n int64) error {
	if id == "" {
		return nil // objects without Patient ID are one patient there, and none here
	}
	var ours int64
	q := &query.Query{Level: query.Patient, Keys: []query.Key{{Path: []tag.Tag{tag.PatientID}, VR: vr.LO, Kind: query.Single, Values: []string{id}}}}
	for d, err := range c.archive.Find(ctx, c.tenant, q) {
		if err != nil {
			return err
		}
		k, _ := d.Int(tag.NumberOfPatientRelatedInstances)
		ours += k
	}
	c.counts("patient", id, n, ours)
	return nil
}

func byStudy(level query.Level, uid string) *query.Query {
	return &query.Query{Level: level, Keys: []query.Key{{Path: []tag.Tag{tag.StudyInstanceUID}, VR: vr.UI, Kind: query.Single, Values: []string{uid}}}}
}

func (c *comparison) study(ctx context.Context, internal int64, uid string, n int64) error {
	q := byStudy(query.Study, uid)
	q.Return = compared
	var ours *dicom.Dataset
	for d, err := range c.archive.Find(ctx, c.tenant, q) {
		if err != nil {
			return err
		}
		ours = d
	}
	if ours == nil {
		c.counts("study", uid, n, 0)
		return nil
	}
	total, _ := ours.Int(tag.NumberOfStudyRelatedInstances)
	c.counts("study", uid, n, total)
	if err := c.attributes(internal, uid, ours); err != nil {
		return err
	}
	return c.series(ctx, internal, uid)
}

// attributes compares what both sides say of a study.
func (c *comparison) attributes(internal int64, uid string, ours *dicom.Dataset) error {
	rows, err := c.o.Index.Query(orthancTags, internal)
	if err != nil {
		return err
	}
	defer rows.Close()
	theirs := map[tag.Tag]string{}
	for rows.Next() {
		theirs[tag.Tag(uint32(rows.Int(0))<<16|uint32(rows.Int(1))&0xffff)] = rows.Text(2)
	}
	for _, t := range compared {
		value, kept := theirs[t]
		if here := ours.Text(t); kept && plain(value) != plain(here) {
			c.tell(Difference{Level: "study", UID: uid, What: t.Keyword(), Orthanc: value, Archive: here})
		}
	}
	return rows.Err()
}

// plain takes away what has no meaning in a name (PS3.5 6.2.1).
func plain(s string) string { return strings.TrimSpace(strings.TrimRight(strings.TrimSpace(s), "^=")) }

func (c *comparison) series(ctx context.Context, internal int64, study string) error {
	ours := map[string]int64{}
	for d, err := range c.archive.Find(ctx, c.tenant, byStudy(query.Series, study)) {
		if err != nil {
			return err
		}
		n, _ := d.Int(tag.NumberOfSeriesRelatedInstances)
		ours[d.UID(tag.SeriesInstanceUID)] = n
	}
	return c.resources(orthancSeriesOf, func(_ int64, uid string, n int64) error {
		c.sum.Series++
		c.counts("series", uid, n, ours[uid])
		return nil
	}, orthancSeries, internal)
}
