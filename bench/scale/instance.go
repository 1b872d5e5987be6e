package main

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

const (
	explicitLE    = "1.2.840.10008.1.2.1"
	datasetOffset = 374
	partTen       = 526_000 // bytes of a made-up object
	inPack        = 127     // of them in a pack of 64 MiB
)

// scan makes the instances of a series. Its template is shared and never written to.
type scan struct {
	h        hospital
	st       *study
	se       *series
	before   int // instances of the study in front of this series
	template *dicom.Dataset
}

// newScan sets what all instances of the series say: with what instance adds about 70 elements,
// as a CT has.
func (h hospital) newScan(st *study, se *series, before int) *scan {
	d := &dicom.Dataset{}
	d.SetText(tag.SpecificCharacterSet, "ISO_IR 192")
	for _, v := range []struct {
		t tag.Tag
		v []string
	}{
		{tag.ImageType, []string{"ORIGINAL", "PRIMARY", "AXIAL"}}, {tag.InstanceCreationDate, []string{st.date}},
		{tag.StudyDate, []string{st.date}}, {tag.SeriesDate, []string{st.date}}, {tag.AcquisitionDate, []string{st.date}},
		{tag.ContentDate, []string{st.date}}, {tag.StudyTime, []string{st.time}}, {tag.SeriesTime, []string{st.time}},
		{tag.AccessionNumber, []string{st.accession}}, {tag.Modality, []string{se.modality.name}},
		{tag.Manufacturer, []string{st.device.manufacturer}}, {tag.InstitutionName, []string{"General Hospital"}},
		{tag.InstitutionAddress, []string{"1 Hospital Road"}}, {tag.ReferringPhysicianName, []string{st.referring}},
		{tag.StationName, []string{st.device.station}}, {tag.StudyDescription, []string{st.description}},
		{tag.SeriesDescription, []string{se.description}}, {tag.InstitutionalDepartmentName, []string{"Radiology"}},
		{tag.ManufacturerModelName, []string{st.device.model}}, {tag.PatientName, []string{st.patient.name}},
		{tag.PatientID, []string{st.patient.id}}, {tag.PatientBirthDate, []string{st.patient.birth}},
		{tag.PatientSex, []string{st.patient.sex}}, {tag.PatientAge, []string{"057Y"}},
		{tag.BodyPartExamined, []string{se.part}}, {tag.ScanOptions, []string{"HELICAL MODE"}},
		{tag.DeviceSerialNumber, []string{st.device.serial}}, {tag.SoftwareVersions, []string{"syngo CT VA40A"}},
		{tag.ProtocolName, []string{"5.1 " + se.description}}, {tag.RotationDirection, []string{"CW"}},
		{tag.FilterType, []string{"BODY FILTER"}}, {tag.ConvolutionKernel, []string{"STANDARD"}},
		{tag.PatientPosition, []string{"FFS"}}, {tag.StudyID, []string{st.id}},
		{tag.PhotometricInterpretation, []string{"MONOCHROME2"}}, {tag.RescaleType, []string{"HU"}},
		{tag.PositionReferenceIndicator, []string{""}},
	} {
		d.SetText(v.t, v.v...)
	}
	for t, v := range map[tag.Tag]float64{
		tag.SliceThickness: 1.25, tag.KVP: 120, tag.DataCollectionDiameter: 500, tag.ReconstructionDiameter: 360,
		tag.DistanceSourceToDetector: 1085.6, tag.DistanceSourceToPatient: 595, tag.GantryDetectorTilt: 0, tag.TableHeight: 151,
		tag.FocalSpots: 1.2, tag.SpiralPitchFactor: 0.984, tag.RescaleIntercept: -1024, tag.RescaleSlope: 1,
		tag.WindowCenter: 40, tag.WindowWidth: 400, tag.PatientWeight: 71.5, tag.SingleCollimationWidth: 0.625,
	} {
		d.SetFloats(t, v)
	}
	d.SetFloats(tag.PixelSpacing, 0.703125, 0.703125)
	d.SetFloats(tag.ImageOrientationPatient, 1, 0, 0, 0, 1, 0)
	for t, v := range map[tag.Tag]int64{
		tag.SeriesNumber: int64(se.number), tag.AcquisitionNumber: 1, tag.SamplesPerPixel: 1, tag.Rows: int64(se.modality.rows),
		tag.Columns: int64(se.modality.rows), tag.BitsAllocated: 16, tag.BitsStored: 12, tag.HighBit: 11,
		tag.PixelRepresentation: 0, tag.ExposureTime: 800,
	} {
		d.SetInts(t, v)
	}
	d.SetUID(tag.SOPClassUID, se.modality.class)
	d.SetUID(tag.StudyInstanceUID, st.uid)
	d.SetUID(tag.SeriesInstanceUID, se.uid)
	d.SetUID(tag.FrameOfReferenceUID, st.uid+".9")
	request := &dicom.Dataset{}
	request.SetText(tag.RequestedProcedureID, "RP"+st.id)
	request.SetText(tag.ScheduledProcedureStepID, "SPS"+st.id)
	d.SetItems(tag.RequestAttributesSequence, request)
	for _, t := range perInstance { // in its place already: instance only fills it in
		d.SetElement(dicom.Element{Tag: t, VR: t.VR()})
	}
	return &scan{h: h, st: st, se: se, before: before, template: d}
}

var perInstance = []tag.Tag{tag.SOPInstanceUID, tag.InstanceCreationTime, tag.AcquisitionTime, tag.ContentTime,
	tag.XRayTubeCurrent, tag.InstanceNumber, tag.ImagePositionPatient, tag.SliceLocation,
	tag.SmallestImagePixelValue, tag.LargestImagePixelValue}

// instance makes the kth, from 1. Safe for concurrent use.
func (s *scan) instance(k int) (index.Instance, error) {
	uid := s.h.instanceUID(s.st, s.se, k)
	noise := fnv.New32a()
	_, _ = noise.Write([]byte(uid)) // never fails
	crc := noise.Sum32()
	d := s.template.Clone()
	d.SetUID(tag.SOPInstanceUID, uid)
	at := fmt.Sprintf("%s.%06d", s.st.time[:6], crc%1_000_000)
	d.SetText(tag.InstanceCreationTime, at)
	d.SetText(tag.AcquisitionTime, at)
	d.SetText(tag.ContentTime, at)
	d.SetInts(tag.InstanceNumber, int64(k))
	d.SetInts(tag.XRayTubeCurrent, int64(100+crc%400))
	z := -480.25 + 1.25*float64(k)
	d.SetText(tag.ImagePositionPatient, "-179.648", "-170.5", strconv.FormatFloat(z, 'f', 2, 64))
	d.SetFloats(tag.SliceLocation, z)
	d.SetInts(tag.SmallestImagePixelValue, int64(crc>>8%100))
	d.SetInts(tag.LargestImagePixelValue, int64(1000+crc>>16%3000))
	header, err := dicom.AppendHeader(nil, &dicom.Header{Dataset: d})
	if err != nil {
		return index.Instance{}, err
	}
	return index.Instance{
		StudyInstanceUID: s.st.uid, SeriesInstanceUID: s.se.uid, SOPInstanceUID: uid,
		SOPClassUID: s.se.modality.class, TransferSyntaxUID: explicitLE,
		Dataset: d, Header: header, Frames: []byte{1, 1, 0xac, 0x20, 0x80, 0x80, 0x20},
		Blob: s.record(k), DatasetOffset: datasetOffset, DatasetCRC: crc, SourceAET: s.st.device.station,
	}, nil
}

// record makes up where the object lies: packs of one study each, as one association fills them,
// or an object for each record.
func (s *scan) record(k int) blob.Record {
	n := s.before + k - 1
	const framed = 64 + partTen
	offset := int64(64 + n%s.h.perObject*framed)
	return blob.Record{
		Tenant: storage.DefaultTenant,
		Location: blob.Location{
			Object: storage.Key(fmt.Sprintf("default/%016x%08x", uint64(s.st.n)*0x9e3779b97f4a7c15, n/s.h.perObject)),
			Offset: offset + 64, Length: partTen,
		},
		End: offset + framed, Received: time.Unix(1_760_000_000+int64(s.st.n)*60, int64(n)*1000), CRC32C: 1,
	}
}
