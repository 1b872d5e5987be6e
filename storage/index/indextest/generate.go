// Package indextest is the suite every engine of index.Index passes: random data and random
// queries against query.Match as the oracle, concurrency, reopening, and the bookkeeping of
// removal and recovery. Generator makes its data, and that of benchmarks.
package indextest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/storage"
	"github.com/aurelius-imaging/aurelius/storage/blob"
	"github.com/aurelius-imaging/aurelius/storage/index"
)

// Shape of what a Generator makes: so many of each under one of the level above.
type Shape struct {
	Studies, Series, Instances int
}

// Generator makes instances of patients that do not exist, the same for the same seed. It is
// not safe for concurrent use.
type Generator struct {
	rand   *rand.Rand
	shape  Shape
	n      int // instances made
	offset int64
	object int

	study  *studySeed
	series *seriesSeed
}

type studySeed struct {
	uid, date, time, id, accession, description, name, patient, issuer, birth, sex, referring string
}

type seriesSeed struct {
	uid, modality, class, description, part string
	number                                  int64
}

// New returns a generator.
func New(seed uint64, s Shape) *Generator {
	return &Generator{rand: rand.New(rand.NewPCG(seed, 1)), shape: s}
}

var (
	lastNames  = []string{"SMITH", "Doe", "Müller", "García", "NOVÁK", "O'Brien", "Smithson", "van der Berg", "Łukasz", "Okafor", "Yamada=山田=やまだ"}
	firstNames = []string{"John", "JANE", "José", "Ann Marie", "Zoë", "", "Li"}
	modalities = []struct{ name, class string }{
		{"CT", "1.2.840.10008.5.1.4.1.1.2"}, {"MR", "1.2.840.10008.5.1.4.1.1.4"},
		{"US", "1.2.840.10008.5.1.4.1.1.6.1"}, {"SR", "1.2.840.10008.5.1.4.1.1.88.33"},
		{"DX", "1.2.840.10008.5.1.4.1.1.1.1"},
	}
	descriptions = []string{"HEAD W/O", "CT Head^Routine", "Abdomen & Pelvis", "Schädel", "THORAX [low dose]", "", "knee*left?", "Brain 100%_x"}
	parts        = []string{"HEAD", "CHEST", "ABDOMEN", "", "KNEE"}
)

// Next makes the next instance.
func (g *Generator) Next() index.Instance {
	per := g.shape.Series * g.shape.Instances
	if g.n%per == 0 {
		g.study = g.newStudy(g.n / per)
	}
	if g.n%g.shape.Instances == 0 {
		g.series = g.newSeries(g.n / g.shape.Instances)
	}
	number := g.n%g.shape.Instances + 1
	g.n++
	uid := fmt.Sprintf("%s.%d", g.series.uid, number)
	d := g.dataset(uid, number)
	header, err := dicom.AppendHeader(nil, &dicom.Header{Dataset: d})
	if err != nil {
		panic(err) // the generator's own data
	}
	return index.Instance{
		StudyInstanceUID: g.study.uid, SeriesInstanceUID: g.series.uid, SOPInstanceUID: uid,
		SOPClassUID: g.series.class, TransferSyntaxUID: "1.2.840.10008.1.2.1",
		Dataset: d, Header: header, Frames: []byte{1, 2, 3, byte(number)},
		Blob:          g.Record(525_000),
		DatasetOffset: 374, DatasetCRC: g.rand.Uint32(), SourceAET: "GENERATOR",
	}
}

// Record makes up the next record of a blob store, as append-only packs lay them out.
func (g *Generator) Record(length int64) blob.Record {
	if g.offset > 64<<20 {
		g.object, g.offset = g.object+1, 0
	}
	if g.offset == 0 {
		g.offset = 64
	}
	l := blob.Location{Object: storage.Key(fmt.Sprintf("default/%016x", g.object)), Offset: g.offset + 64, Length: length}
	g.offset += (64 + length + 7) &^ 7
	return blob.Record{Tenant: storage.DefaultTenant, Location: l, End: g.offset,
		Received: time.Date(2026, 1, 1, 0, 0, g.n, 0, time.UTC)}
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (g *Generator) newStudy(n int) *studySeed {
	r := g.rand
	day := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(3650))
	s := &studySeed{
		uid:  fmt.Sprintf("1.2.826.0.1.3680043.10.99999.%d", n+1),
		date: day.Format("20060102"), time: fmt.Sprintf("%02d%02d%02d", r.IntN(24), r.IntN(60), r.IntN(60)),
		id: fmt.Sprint(n), accession: fmt.Sprintf("ACC%07d", n), description: pick(r, descriptions),
		name: pick(r, lastNames), patient: fmt.Sprintf("PAT%06d", n*7/10), birth: day.AddDate(-r.IntN(90), 0, 0).Format("20060102"),
		sex: pick(r, []string{"M", "F", "O", ""}), referring: pick(r, lastNames) + "^" + pick(r, firstNames),
	}
	if first := pick(r, firstNames); first != "" && s.name[0] != 'Y' {
		s.name += "^" + first
	}
	switch r.IntN(20) { // what goes wrong in the field
	case 0:
		s.date = "2024-13-"
	case 1:
		s.date, s.time = "", ""
	case 2:
		s.time = s.time[:4]
	case 3:
		s.patient = ""
	case 4:
		s.issuer = "HOSPITAL"
	case 5:
		s.accession = ""
	case 6:
		s.patient = "pat" + s.patient[3:]
	case 7:
		s.date = day.Format("2006.01.02")
	case 8:
		s.time += ".123"
	}
	return s
}

func (g *Generator) newSeries(n int) *seriesSeed {
	m := pick(g.rand, modalities)
	s := &seriesSeed{uid: fmt.Sprintf("%s.%d", g.study.uid, n+1), modality: m.name, class: m.class,
		description: pick(g.rand, descriptions), part: pick(g.rand, parts), number: int64(g.rand.IntN(9))}
	if g.rand.IntN(12) == 0 {
		s.number = -1
	}
	return s
}

func (g *Generator) dataset(uid string, number int) *dicom.Dataset {
	st, se := g.study, g.series
	d := &dicom.Dataset{}
	d.SetText(tag.SpecificCharacterSet, "ISO_IR 192")
	d.SetText(tag.ImageType, "ORIGINAL", "PRIMARY", "AXIAL")
	d.SetUID(tag.SOPClassUID, se.class)
	d.SetUID(tag.SOPInstanceUID, uid)
	for t, v := range map[tag.Tag]string{
		tag.StudyDate: st.date, tag.StudyTime: st.time, tag.AccessionNumber: st.accession,
		tag.Modality: se.modality, tag.Manufacturer: "ACME", tag.InstitutionName: "General Hospital",
		tag.ReferringPhysicianName: st.referring, tag.StudyDescription: st.description,
		tag.SeriesDescription: se.description, tag.ManufacturerModelName: "Scanner 3000",
		tag.PatientName: st.name, tag.PatientID: st.patient, tag.PatientBirthDate: st.birth,
		tag.PatientSex: st.sex, tag.StudyID: st.id, tag.BodyPartExamined: se.part,
		tag.ContentDate: st.date, tag.ContentTime: fmt.Sprintf("%02d%02d%02d", number/3600%24, number/60%60, number%60),
		tag.ProtocolName: "5.1 Protocol", tag.SoftwareVersions: "VA40", tag.DeviceSerialNumber: "12345",
	} {
		d.SetText(t, v)
	}
	if st.issuer != "" {
		d.SetText(tag.IssuerOfPatientID, st.issuer)
	}
	d.SetUID(tag.StudyInstanceUID, st.uid)
	d.SetUID(tag.SeriesInstanceUID, se.uid)
	d.SetUID(tag.FrameOfReferenceUID, se.uid+".9")
	if se.number >= 0 {
		d.SetInts(tag.SeriesNumber, se.number)
	}
	d.SetInts(tag.InstanceNumber, int64(number))
	d.SetInts(tag.Rows, 512)
	d.SetInts(tag.Columns, 512)
	d.SetInts(tag.BitsAllocated, 16)
	d.SetInts(tag.BitsStored, 12)
	d.SetInts(tag.SamplesPerPixel, 1)
	d.SetText(tag.PhotometricInterpretation, "MONOCHROME2")
	d.SetFloats(tag.SliceThickness, 1.25)
	d.SetFloats(tag.KVP, 120)
	d.SetFloats(tag.PixelSpacing, 0.48, 0.48)
	d.SetFloats(tag.ImagePositionPatient, -125, -120.5, float64(number)*1.25)
	d.SetFloats(tag.ImageOrientationPatient, 1, 0, 0, 0, 1, 0)
	d.SetFloats(tag.WindowCenter, 40)
	d.SetFloats(tag.WindowWidth, 400)
	request := &dicom.Dataset{}
	request.SetText(tag.ScheduledProcedureStepID, "SPS"+st.id)
	request.SetText(tag.RequestedProcedureID, "RP"+se.modality)
	d.SetItems(tag.RequestAttributesSequence, request)
	return d
}
