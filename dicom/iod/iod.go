// Package iod has what information objects of several kinds are made of (PS3.3): codes,
// references to instances and frames, the patient and study an object belongs to, where a frame
// lies in space, recommended colours. Its children read whole objects: structured reports and key
// object selections (sr), encapsulated documents (doc), presentation states (pr), segmentations
// (seg).
//
// All of them read a parsed data set and nothing else: no files, no pixels. A value left in its
// object (dicom.Bulk) counts as absent, but an encapsulated document: reports and presentation
// states are read with limits above their texts, points and tables (dicom.Read has none). What
// comes from outside is hostile; readers return an error or something of bounded size, and leave
// out what they cannot understand where the rest is good without it.
package iod

import (
	"slices"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
)

// Code is a coded concept (PS3.3 8).
type Code struct {
	Value   string // Code Value, Long Code Value or URN Code Value
	Scheme  string // Coding Scheme Designator
	Version string
	Meaning string
}

// IsZero reports whether there is no code at all.
func (c Code) IsZero() bool { return c == Code{} }

// Is reports whether the code is that value of that scheme.
func (c Code) Is(value, scheme string) bool { return c.Value == value && c.Scheme == scheme }

// ReadCode reads the Code Sequence Macro (PS3.3 8.8) from an item.
func ReadCode(item *dicom.Dataset) Code {
	c := Code{
		Value:   item.Text(tag.CodeValue),
		Scheme:  item.Text(tag.CodingSchemeDesignator),
		Version: item.Text(tag.CodingSchemeVersion),
		Meaning: item.Text(tag.CodeMeaning),
	}
	for _, t := range [...]tag.Tag{tag.LongCodeValue, tag.URNCodeValue} {
		if c.Value == "" {
			c.Value = item.Text(t)
		}
	}
	return c
}

// FirstCode reads the code of the first item of a sequence.
func FirstCode(d *dicom.Dataset, sequence tag.Tag) Code {
	if items := d.Items(sequence); len(items) > 0 {
		return ReadCode(items[0])
	}
	return Code{}
}

// Reference names an instance, or some of its frames or segments (PS3.3 10.8, 10.3). Study and
// series are there where the object says them.
type Reference struct {
	SOPClassUID       string
	SOPInstanceUID    string
	StudyInstanceUID  string
	SeriesInstanceUID string
	Frames            []int // none: all
	Segments          []int // none: all
	Purpose           Code
}

// ReadReference reads the SOP Instance Reference and the Image SOP Instance Reference Macro.
func ReadReference(item *dicom.Dataset) Reference {
	return Reference{
		SOPClassUID:    item.UID(tag.ReferencedSOPClassUID),
		SOPInstanceUID: item.UID(tag.ReferencedSOPInstanceUID),
		Frames:         positives(item.Ints(tag.ReferencedFrameNumber)),
		Segments:       positives(item.Ints(tag.ReferencedSegmentNumber)),
		Purpose:        FirstCode(item, tag.PurposeOfReferenceCodeSequence),
	}
}

// ReadReferences reads every item of a sequence that names an instance.
func ReadReferences(d *dicom.Dataset, sequence tag.Tag) []Reference {
	var out []Reference
	for _, item := range d.Items(sequence) {
		if r := ReadReference(item); r.SOPInstanceUID != "" {
			out = append(out, r)
		}
	}
	return out
}

// ReadHierarchy reads a sequence of studies, series or neither around the sequences that name
// instances: the Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1) and Referenced Series
// Sequence.
func ReadHierarchy(d *dicom.Dataset, sequence tag.Tag) []Reference {
	var out []Reference
	var read func(item *dicom.Dataset, study, series string)
	read = func(item *dicom.Dataset, study, series string) {
		if uid := item.UID(tag.StudyInstanceUID); uid != "" {
			study = uid
		}
		if uid := item.UID(tag.SeriesInstanceUID); uid != "" {
			series = uid
		}
		for _, t := range [...]tag.Tag{tag.ReferencedSOPSequence, tag.ReferencedImageSequence, tag.ReferencedInstanceSequence} {
			for _, r := range ReadReferences(item, t) {
				r.StudyInstanceUID, r.SeriesInstanceUID = study, series
				out = append(out, r)
			}
		}
		if series == "" { // one step down at most: a series has no series
			for _, inner := range item.Items(tag.ReferencedSeriesSequence) {
				if uid := inner.UID(tag.SeriesInstanceUID); uid != "" {
					read(inner, study, uid)
				}
			}
		}
	}
	for _, item := range d.Items(sequence) {
		read(item, "", "")
	}
	return out
}

// Names reports whether the reference means the frame (1-based) of the instance.
func (r Reference) Names(sopInstanceUID string, frame int) bool {
	return r.SOPInstanceUID == sopInstanceUID && (len(r.Frames) == 0 || slices.Contains(r.Frames, frame))
}

// Named reports whether one of the references means the frame. No references mean every frame:
// so do sequences of presentation states that leave them out (PS3.3 C.10.4, C.10.5, C.11.8).
func Named(refs []Reference, sopInstanceUID string, frame int) bool {
	return len(refs) == 0 || slices.ContainsFunc(refs, func(r Reference) bool { return r.Names(sopInstanceUID, frame) })
}

// positives keeps the numbers that can be those of frames and segments.
func positives(values []int64) []int {
	var out []int
	for _, v := range values {
		if v > 0 && v <= 1<<31-1 {
			out = append(out, int(v))
		}
	}
	return out
}

// Subject is whom and what an object is about, and who says so: what stands at the head of a
// document. Dates and names are in the forms of DICOM.
type Subject struct {
	PatientName, PatientID, BirthDate, Sex string

	StudyInstanceUID, StudyDate, StudyTime, StudyID, StudyDescription string
	AccessionNumber, ReferringPhysician                               string

	SeriesInstanceUID, SeriesDescription string
	SOPClassUID, SOPInstanceUID          string
	Institution, Manufacturer            string
	ContentDate, ContentTime             string
}

// ReadSubject reads the patient, study, series and equipment modules.
func ReadSubject(d *dicom.Dataset) Subject {
	return Subject{
		PatientName: d.Text(tag.PatientName), PatientID: d.Text(tag.PatientID),
		BirthDate: d.Text(tag.PatientBirthDate), Sex: d.Text(tag.PatientSex),
		StudyInstanceUID: d.UID(tag.StudyInstanceUID), StudyDate: d.Text(tag.StudyDate), StudyTime: d.Text(tag.StudyTime),
		StudyID: d.Text(tag.StudyID), StudyDescription: d.Text(tag.StudyDescription),
		AccessionNumber: d.Text(tag.AccessionNumber), ReferringPhysician: d.Text(tag.ReferringPhysicianName),
		SeriesInstanceUID: d.UID(tag.SeriesInstanceUID), SeriesDescription: d.Text(tag.SeriesDescription),
		SOPClassUID: d.UID(tag.SOPClassUID), SOPInstanceUID: d.UID(tag.SOPInstanceUID),
		Institution: d.Text(tag.InstitutionName), Manufacturer: d.Text(tag.Manufacturer),
		ContentDate: d.Text(tag.ContentDate), ContentTime: d.Text(tag.ContentTime),
	}
}
