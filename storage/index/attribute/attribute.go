// Package attribute is what the engines of the index agree on without a word of SQL: which
// elements of an instance belong to patient, study, series and instance, how each level's are
// kept as bytes, what a later instance may fill in, what a column holds so that = decides as
// query.Match does, and how an answer is put together from the levels. It leaves out where rows
// lie and how they are found.
package attribute

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/charset"
	"github.com/aurelius-imaging/aurelius/dicom/query"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// maxAttr is the largest element kept beside a row; larger ones come from the header. It keeps
// the rows of a listing small.
const maxAttr = 4 << 10

// NoNumber sorts series and instances without a number last.
const NoNumber = 1 << 40

// explicitLE is how attributes are kept; their text is UTF-8.
var explicitLE = func() dicom.TransferSyntax {
	ts, _ := dicom.LookupTransferSyntax("1.2.840.10008.1.2.1")
	return ts
}()

var seed = maphash.MakeSeed()

// instanceAttrs are kept beside the row of an instance: what Query/Retrieve and viewers ask for
// (PS3.4 C.6.1.1.5, PS3.18 Table 10.6.3-5). SOPClassUID and SOPInstanceUID have columns.
var instanceAttrs = func() map[tag.Tag]bool {
	m := make(map[tag.Tag]bool)
	for _, t := range []tag.Tag{
		tag.InstanceNumber, tag.ImageType, tag.InstanceCreationDate, tag.InstanceCreationTime,
		tag.ContentDate, tag.ContentTime, tag.AcquisitionDate, tag.AcquisitionTime,
		tag.AcquisitionDateTime, tag.AcquisitionNumber, tag.TimezoneOffsetFromUTC,
		tag.Rows, tag.Columns, tag.BitsAllocated, tag.BitsStored, tag.SamplesPerPixel,
		tag.PhotometricInterpretation, tag.NumberOfFrames, tag.ContentLabel,
		tag.ContentDescription, tag.ContentCreatorName, tag.PresentationCreationDate,
		tag.PresentationCreationTime, tag.CompletionFlag, tag.VerificationFlag,
		tag.VerificationDateTime, tag.ConceptNameCodeSequence, tag.DocumentTitle,
		tag.MIMETypeOfEncapsulatedDocument, tag.SliceLocation, tag.ImageComments,
	} {
		m[t] = true
	}
	return m
}()

// Split sorts the elements of an instance by level.
type Split struct {
	ds        *dicom.Dataset
	Patient   []*dicom.Element
	Study     []*dicom.Element // of patient and study
	Series    []*dicom.Element
	Instance  []*dicom.Element
	StudySum  uint64 // of study and its character set
	SeriesSum uint64
}

// SplitLevels sorts the elements of an instance. They share the data set's bytes.
func SplitLevels(ds *dicom.Dataset) *Split {
	s := &Split{ds: ds, Study: make([]*dicom.Element, 0, 32), Series: make([]*dicom.Element, 0, 24), Instance: make([]*dicom.Element, 0, 24)}
	var study, series maphash.Hash
	study.SetSeed(seed)
	series.SetSeed(seed)
	if e := ds.Get(tag.SpecificCharacterSet); e != nil {
		study.Write(e.Value)
		series.Write(e.Value)
	}
	last := int64(-1)
	ascending := true
	for i := range ds.Elements {
		e := &ds.Elements[i]
		ascending = ascending && int64(e.Tag) > last
		last = int64(e.Tag)
		if e.Bulk != nil || e.Fragments != nil || len(e.Value) > maxAttr {
			continue
		}
		switch query.LevelOf(e.Tag) {
		case query.Patient:
			s.Patient = append(s.Patient, e)
			fallthrough
		case query.Study:
			s.Study = append(s.Study, e)
			sum(&study, e)
		case query.Series:
			s.Series = append(s.Series, e)
			sum(&series, e)
		default:
			if instanceAttrs[e.Tag] {
				s.Instance = append(s.Instance, e)
			}
		}
	}
	if !ascending {
		for _, es := range []*[]*dicom.Element{&s.Patient, &s.Study, &s.Series, &s.Instance} {
			*es = inOrder(*es)
		}
	}
	s.StudySum, s.SeriesSum = study.Sum64(), series.Sum64()
	return s
}

// inOrder sorts by tag and keeps the first of elements with the same one.
func inOrder(es []*dicom.Element) []*dicom.Element {
	slices.SortStableFunc(es, func(a, b *dicom.Element) int { return int(int64(a.Tag) - int64(b.Tag)) })
	return slices.CompactFunc(es, func(a, b *dicom.Element) bool { return a.Tag == b.Tag })
}

func sum(h *maphash.Hash, e *dicom.Element) {
	var head [10]byte
	binary.LittleEndian.PutUint32(head[:], uint32(e.Tag))
	binary.LittleEndian.PutUint16(head[4:], uint16(e.VR))
	binary.LittleEndian.PutUint32(head[6:], uint32(len(e.Value)))
	h.Write(head[:])
	h.Write(e.Value)
	for _, item := range e.Items {
		h.WriteByte('(')
		for i := range item.Elements {
			sum(h, &item.Elements[i])
		}
	}
}

// Level returns the elements as a data set of its own, in UTF-8. SpecificCharacterSet says so
// where there is anything outside of ASCII.
func (s *Split) Level(es []*dicom.Element) *dicom.Dataset {
	out := &dicom.Dataset{Elements: make([]dicom.Element, 0, len(es)+1)}
	foreign := appendUTF8(out, s.ds, es)
	if foreign {
		out.SetText(tag.SpecificCharacterSet, "ISO_IR 192")
	}
	return out
}

// appendUTF8 copies elements of ds, their text decoded, and reports whether there is any
// outside of ASCII.
func appendUTF8(out, ds *dicom.Dataset, es []*dicom.Element) bool {
	foreign := false
	var cs *charset.Set
	for _, e := range es {
		switch {
		case e.Tag == tag.SpecificCharacterSet || e.Tag.GroupLength() || e.Bulk != nil || e.Fragments != nil:
			continue
		case e.VR == vr.SQ || len(e.Items) > 0:
			c := dicom.Element{Tag: e.Tag, VR: vr.SQ}
			for _, item := range e.Items {
				in := &dicom.Dataset{}
				foreign = appendUTF8(in, item, pointers(item)) || foreign
				c.Items = append(c.Items, in)
			}
			out.Elements = append(out.Elements, c)
		case e.KnownVR().Charset() && !ascii(e.Value):
			if cs == nil {
				cs = ds.Charset()
			}
			foreign = true
			v := []byte(strings.Join(e.Strings(cs), `\`))
			if len(v)%2 == 1 {
				v = append(v, ' ')
			}
			out.Elements = append(out.Elements, dicom.Element{Tag: e.Tag, VR: e.KnownVR(), Value: v})
		default:
			out.Elements = append(out.Elements, dicom.Element{Tag: e.Tag, VR: e.KnownVR(), Value: e.Value})
		}
	}
	return foreign
}

func pointers(ds *dicom.Dataset) []*dicom.Element {
	out := make([]*dicom.Element, len(ds.Elements))
	for i := range ds.Elements {
		out[i] = &ds.Elements[i]
	}
	return out
}

// ascii reports whether b means the same in every character set: no upper half, no escape, no
// tilde (an overline in ISO_IR 14).
func ascii(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c >= '~' || c == 0x1b })
}

// Encode returns the bytes a level is kept as.
func Encode(d *dicom.Dataset) ([]byte, error) {
	b, err := dicom.AppendDataset(nil, d, explicitLE)
	if b == nil {
		b = []byte{}
	}
	return b, err
}

// Decode reads what Encode wrote. The elements share b.
func Decode(b []byte) (*dicom.Dataset, error) {
	d, err := dicom.ParseDataset(b, explicitLE)
	if err != nil { // we wrote it: damage is ours, not the peer's
		return nil, errs.E(errs.Internal, "attribute.Decode", err)
	}
	return d, nil
}

// Fill puts what is missing or empty in old from in, and reports whether anything was.
func Fill(old, in *dicom.Dataset) bool {
	changed := false
	for i := range in.Elements {
		e := &in.Elements[i]
		if e.IsEmpty() || e.Tag == tag.SpecificCharacterSet {
			continue
		}
		if have := old.Get(e.Tag); have == nil || have.IsEmpty() {
			if len(e.Items) > 0 {
				old.SetItems(e.Tag, e.Items...)
			} else {
				old.SetElement(*e)
			}
			changed = true
		}
	}
	if changed && in.Has(tag.SpecificCharacterSet) {
		old.SetText(tag.SpecificCharacterSet, "ISO_IR 192")
	}
	return changed
}

// Column returns what a column holds of the attribute: its first value as query.Match compares
// it.
func Column(d *dicom.Dataset, t tag.Tag) string {
	s := d.Text(t)
	if s == "" {
		return ""
	}
	return query.Canon(t, t.VR(), s)
}

// Number reads an IS for sorting.
func Number(e *dicom.Element) int64 {
	if e == nil {
		return NoNumber
	}
	s := string(bytes.Trim(e.Value, " \x00"))
	if i := strings.IndexByte(s, '\\'); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	if n, ok := WholeNumber(s); ok {
		return n
	}
	return NoNumber
}

// WholeNumber reads a number of a magnitude IS allows.
func WholeNumber(s string) (int64, bool) {
	n, err := value.ParseIS(s)
	return n, err == nil && n < NoNumber && n > -NoNumber
}
