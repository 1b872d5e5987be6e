package sqlite

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

// noNumber sorts series and instances without a number last.
const noNumber = 1 << 40

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

// split sorts the elements of an instance by level.
type split struct {
	ds        *dicom.Dataset
	patient   []*dicom.Element
	study     []*dicom.Element // of patient and study
	series    []*dicom.Element
	instance  []*dicom.Element
	studySum  uint64 // of study and its character set
	seriesSum uint64
}

func splitLevels(ds *dicom.Dataset) *split {
	s := &split{ds: ds, study: make([]*dicom.Element, 0, 32), series: make([]*dicom.Element, 0, 24), instance: make([]*dicom.Element, 0, 24)}
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
			s.patient = append(s.patient, e)
			fallthrough
		case query.Study:
			s.study = append(s.study, e)
			sum(&study, e)
		case query.Series:
			s.series = append(s.series, e)
			sum(&series, e)
		default:
			if instanceAttrs[e.Tag] {
				s.instance = append(s.instance, e)
			}
		}
	}
	if !ascending {
		for _, es := range []*[]*dicom.Element{&s.patient, &s.study, &s.series, &s.instance} {
			*es = inOrder(*es)
		}
	}
	s.studySum, s.seriesSum = study.Sum64(), series.Sum64()
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

// level returns the elements as a data set of its own, in UTF-8. SpecificCharacterSet says so
// where there is anything outside of ASCII.
func (s *split) level(es []*dicom.Element) *dicom.Dataset {
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

func encode(d *dicom.Dataset) ([]byte, error) {
	b, err := dicom.AppendDataset(nil, d, explicitLE)
	if b == nil {
		b = []byte{}
	}
	return b, err
}

func decode(b []byte) (*dicom.Dataset, error) {
	d, err := dicom.ParseDataset(b, explicitLE)
	if err != nil { // we wrote it: damage is ours, not the peer's
		return nil, errs.E(errs.Internal, "sqlite.decode", err)
	}
	return d, nil
}

// fill puts what is missing or empty in old from in, and reports whether anything was.
func fill(old, in *dicom.Dataset) bool {
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

// column returns what a column holds of the attribute: its first value as query.Match compares
// it.
func column(d *dicom.Dataset, t tag.Tag) string {
	s := d.Text(t)
	if s == "" {
		return ""
	}
	return query.Canon(t, t.VR(), s)
}

// number reads an IS for sorting.
func number(e *dicom.Element) int64 {
	if e == nil {
		return noNumber
	}
	s := string(bytes.Trim(e.Value, " \x00"))
	if i := strings.IndexByte(s, '\\'); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	if n, ok := wholeNumber(s); ok {
		return n
	}
	return noNumber
}

// wholeNumber reads a number of a magnitude IS allows.
func wholeNumber(s string) (int64, bool) {
	n, err := value.ParseIS(s)
	return n, err == nil && n < noNumber && n > -noNumber
}
