package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/codec"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/uid"
	"github.com/aurelius-imaging/aurelius/dicom/value"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// changes are the attributes that the new form of the object has to say otherwise: only these,
// so that the rest stays byte for byte.
func (r *recoding) changes() (*dicom.Dataset, error) {
	set := &dicom.Dataset{}
	was := r.header.Dataset
	var now dicom.Dataset
	r.target.Apply(&now)
	for e := range now.All() {
		if old := was.Get(e.Tag); old == nil || !sameValue(old, e) {
			set.SetElement(*e)
		}
	}
	if err := r.icons(set); err != nil {
		return nil, err
	}
	if r.lossy() {
		r.derive(set)
		return set, r.deriveFrames(set)
	}
	if m, ok := lossyMethods[r.entry.TransferSyntaxUID]; ok && was.Text(tag.LossyImageCompression) != "01" {
		// The samples keep what the syntax, which said it, no longer does (PS3.3 C.7.6.1.1.5).
		set.SetText(tag.LossyImageCompression, "01")
		if !was.Has(tag.LossyImageCompressionMethod) {
			set.SetText(tag.LossyImageCompressionMethod, m)
		}
	}
	return set, nil
}

func sameValue(a, b *dicom.Element) bool {
	if b.VR.Text() {
		return slices.Equal(a.Strings(nil), b.Strings(nil))
	}
	return slices.Equal(a.Ints(), b.Ints())
}

// lossyMethods are the Defined Terms of Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1) of
// the transfer syntaxes whose frames are lossy for sure.
var lossyMethods = map[string]string{
	dicom.JPEGBaseline.UID:       "ISO_10918_1",
	dicom.JPEGExtended.UID:       "ISO_10918_1",
	dicom.JPEGLSNearLossless.UID: "ISO_14495_1",
}

// lossyMethod names the method of a transfer syntax that was asked to be lossy.
func lossyMethod(ts dicom.TransferSyntax) string {
	if m, ok := lossyMethods[ts.UID]; ok {
		return m
	}
	switch {
	case ts.UID == dicom.HTJ2K.UID:
		return "ISO_15444_15"
	case ts.MediaType == "image/jp2":
		return "ISO_15444_1"
	case ts.MediaType == "image/jxl":
		return "ISO_18181_1"
	}
	return "ISO_10918_1"
}

// instanceUID names the object that comes out: a lossy one is derived and has a UID of its own
// (PS3.3 C.7.6.1.1.5), which is the same each time it is made of the same object.
func (r *recoding) instanceUID() string {
	if !r.lossy() {
		return r.entry.SOPInstanceUID
	}
	return uid.Derive(r.entry.SOPInstanceUID, fmt.Sprintf("%08x", r.entry.DatasetCRC), r.to.UID)
}

// derive marks the object as lossily compressed from the stored one (PS3.3 C.7.6.1.1.5,
// C.7.6.1.1.2, C.12.4.1).
func (r *recoding) derive(set *dicom.Dataset) {
	was := r.header.Dataset
	set.SetUID(tag.SOPInstanceUID, r.instanceUID())
	kind := was.Texts(tag.ImageType)
	if len(kind) < 2 {
		kind = []string{"", "PRIMARY"}
	}
	kind = slices.Clone(kind)
	kind[0] = "DERIVED"
	set.SetText(tag.ImageType, kind...)

	encoded := 0
	for _, b := range r.first {
		encoded += len(b)
	}
	ratio := value.FormatDS(float64(int64(100*float64(r.decoded)/float64(max(encoded, 1)))) / 100)
	set.SetText(tag.LossyImageCompression, "01")
	set.SetText(tag.LossyImageCompressionRatio, append(was.Texts(tag.LossyImageCompressionRatio), ratio)...)
	set.SetText(tag.LossyImageCompressionMethod, append(was.Texts(tag.LossyImageCompressionMethod), lossyMethod(r.to))...)

	const longest = 1024 // of ST
	text := "Lossy compression: " + r.to.Name
	if old := was.Text(tag.DerivationDescription); old != "" && len(old)+len(text)+2 <= longest {
		text = old + "; " + text
	}
	set.SetText(tag.DerivationDescription, text)
	how := slices.Clone(was.Items(tag.DerivationCodeSequence))
	set.SetItems(tag.DerivationCodeSequence, append(cloned(how), code("113040", "Lossy Compression"))...)
	source := &dicom.Dataset{}
	source.SetUID(tag.ReferencedSOPClassUID, r.entry.SOPClassUID)
	source.SetUID(tag.ReferencedSOPInstanceUID, r.entry.SOPInstanceUID)
	source.SetItems(tag.PurposeOfReferenceCodeSequence, code("121320", "Uncompressed predecessor"))
	set.SetItems(tag.SourceImageSequence, source)
}

// deriveFrames says the same of the frames that have a Frame Type of their own: its first value is
// that of Image Type (PS3.3 C.8.16.1.1). Whatever the modality, it lies in a sequence of one item
// in the functional groups, shared or by frame (PS3.3 C.7.6.16).
func (r *recoding) deriveFrames(set *dicom.Dataset) error {
	for _, t := range [...]tag.Tag{tag.SharedFunctionalGroupsSequence, tag.PerFrameFunctionalGroupsSequence} {
		e := set.Get(t)
		if e == nil {
			e = r.header.Dataset.Get(t)
		}
		if e == nil {
			continue
		}
		c, err := r.copied(e)
		if err != nil {
			return err
		}
		for _, group := range c.Items {
			for macro := range group.All() {
				for _, item := range macro.Items {
					if kind := item.Texts(tag.FrameType); len(kind) > 0 {
						item.SetText(tag.FrameType, append([]string{"DERIVED"}, kind[1:]...)...)
					}
				}
			}
		}
		set.SetElement(c)
	}
	return nil
}

func cloned(items []*dicom.Dataset) []*dicom.Dataset {
	for i, item := range items {
		items[i] = item.Clone()
	}
	return items
}

// code is a code of PS3.16 Annex D.
func code(value, meaning string) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetText(tag.CodeValue, value)
	d.SetText(tag.CodingSchemeDesignator, "DCM")
	d.SetText(tag.CodeMeaning, meaning)
	return d
}

// icons puts sequences with compressed pixel data of their own (icons) into set, with samples
// instead: in the new syntax they would be read as something they are not. Native ones are
// legal everywhere (PS3.5 A.4).
func (r *recoding) icons(set *dicom.Dataset) error {
	if !syntax(r.entry.TransferSyntaxUID).Encapsulated {
		return nil
	}
	for e := range r.header.Dataset.All() {
		if len(e.Items) == 0 || !holdsFragments(e) {
			continue
		}
		c, err := r.copied(e)
		if err != nil {
			return err
		}
		for _, item := range c.Items {
			if err := r.unpackIcons(item); err != nil {
				return err
			}
		}
		set.SetElement(c)
	}
	return nil
}

// copied returns an element with all its values in memory.
func (r *recoding) copied(e *dicom.Element) (dicom.Element, error) {
	whole := dicom.Dataset{Elements: []dicom.Element{*e}}
	c := whole.Clone()
	err := r.a.bring(r.ctx, r.entry, c, func(tag.Tag) bool { return true })
	return c.Elements[0], err
}

// fragments reports whether the element is compressed pixel data.
func fragments(e *dicom.Element) bool {
	return e.Tag == tag.PixelData && (e.Fragments != nil || e.Bulk != nil && e.Undefined)
}

func holdsFragments(e *dicom.Element) bool {
	for _, item := range e.Items {
		for inner := range item.All() {
			if fragments(inner) || holdsFragments(inner) {
				return true
			}
		}
	}
	return false
}

// unpackIcons decodes the pixels of items.
func (r *recoding) unpackIcons(item *dicom.Dataset) error {
	packed := false
	for e := range item.All() {
		for _, inner := range e.Items {
			if err := r.unpackIcons(inner); err != nil {
				return err
			}
		}
		packed = packed || fragments(e)
	}
	if !packed {
		return nil
	}
	pixels, d, err := r.decodeIcon(item)
	if err != nil {
		return &errs.Error{Kind: errs.KindOf(err), Op: "archive.Open", Msg: "the icon: " + strings.TrimPrefix(errs.Safe(err), "frame 1: "), Err: err}
	}
	v := vr.OB
	if d.BitsAllocated > 8 {
		v = vr.OW
	}
	d.Apply(item)
	item.SetElement(dicom.Element{Tag: tag.PixelData, VR: v, Value: append(pixels, make([]byte, len(pixels)%2)...)})
	return nil
}

// items reads the items of compressed pixel data, the offset table first. What is cut short ends
// the list.
func items(b []byte) (out [][]byte) {
	for len(b) >= 8 {
		n := int64(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if n > int64(len(b)) {
			return out
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

// decodeIcon returns the samples of an image of one frame in an item.
func (r *recoding) decodeIcon(item *dicom.Dataset) (pixels []byte, d codec.Description, err error) {
	if d, err = codec.Describe(item, tag.PixelData); err != nil {
		return nil, d, err
	}
	native, err := r.a.encoder(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, d, err
	}
	e := item.Get(tag.PixelData)
	if len(e.Fragments) < 2 {
		return nil, d, errs.Errorf(errs.Invalid, "archive.Open", "it has no fragments")
	}
	err = r.a.work(r.ctx, r.decoder, 1, bytes.Join(e.Fragments[1:], nil), d, nil, func(f codec.Frame) error {
		if d, err = native.Describe(f.Description, codec.Options{}); err == nil {
			pixels, err = native.Encode(nil, f, codec.Options{})
		}
		return err
	})
	return pixels, d, err
}
