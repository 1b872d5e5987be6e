package dicom_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"pgregory.net/rapid"
)

// choices are attributes of every kind of VR, in ascending order, with what they hold.
var choices = []struct {
	tag tag.Tag
	vr  vr.VR
}{
	{tag.SpecificCharacterSet, vr.CS}, {tag.SOPInstanceUID, vr.UI}, {tag.StudyDate, vr.DA}, {tag.StudyTime, vr.TM},
	{tag.AccessionNumber, vr.SH}, {tag.ReferencedStudySequence, vr.SQ}, {tag.URNCodeValue, vr.UR}, {tag.LongCodeValue, vr.UC},
	{tag.ReferencedSOPInstanceUID, vr.UI}, {0x00090010, vr.LO}, {0x00091001, vr.UN}, {tag.PatientName, vr.PN}, {tag.PatientAge, vr.AS},
	{tag.PatientWeight, vr.DS}, {tag.FrameIncrementPointer, vr.AT}, {tag.InstanceNumber, vr.IS},
	{tag.AnatomicRegionSequence, vr.SQ}, {tag.PixelRepresentation, vr.US},
	{tag.RedPaletteColorLookupTableData, vr.OW}, {tag.TextValue, vr.UT},
	{tag.FloatingPointValue, vr.FD}, {tag.LongPrimitivePointIndexList, vr.OL},
	{tag.TrackPointIndexList, vr.OL}, {tag.PixelData, vr.OW},
}

// value draws the encoded value, of even length and whole numbers.
func value(t *rapid.T, v vr.VR) []byte {
	switch {
	case v == vr.UI:
		return []byte(rapid.StringMatching(`1\.[1-9](\.[1-9]){0,10}`).Draw(t, "uid") + "\x00")
	case v.Text():
		b := []byte(rapid.StringMatching(`[ A-Z^\\0-9.]{0,40}`).Draw(t, "text"))
		if len(b)%2 == 1 {
			b = append(b, v.Padding())
		}
		return b
	}
	b := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "bytes")
	size := max(v.Size(), 2)
	if v == vr.AT {
		size = 4
	}
	return b[:len(b)/size*size]
}

func dataset(depth int) *rapid.Generator[*dicom.Dataset] {
	return rapid.Custom(func(t *rapid.T) *dicom.Dataset {
		d := &dicom.Dataset{}
		for _, c := range choices {
			if !rapid.Bool().Draw(t, "has") || depth > 0 && c.tag == tag.PixelData {
				continue
			}
			e := dicom.Element{Tag: c.tag, VR: c.vr}
			switch {
			case c.vr != vr.SQ:
				if e.Value = value(t, c.vr); len(e.Value) == 0 {
					e.Value = nil
				}
			case depth < 3:
				e.Undefined = rapid.Bool().Draw(t, "undefined sequence")
				e.Items = rapid.SliceOfN(dataset(depth+1), 0, 3).Draw(t, "items")
				for _, item := range e.Items {
					item.Undefined = rapid.Bool().Draw(t, "undefined item")
				}
			}
			d.SetElement(e)
		}
		return d
	})
}

var natives = []dicom.TransferSyntax{dicom.ImplicitVRLittleEndian, dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian}

// TestWriteRead: what is written in any native syntax is read back the same, by every reader.
func TestWriteRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := dataset(0).Draw(t, "data set")
		for _, ts := range natives {
			b, err := dicom.AppendDataset(nil, d, ts)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := dicom.ParseDataset(b, ts)
			if err != nil {
				t.Fatalf("%s: %v", ts, err)
			}
			if diff := difference(d, parsed, true); diff != "" {
				t.Fatalf("%s: %s", ts, diff)
			}
			read, err := dicom.Read(bytes.NewReader(b), dicom.Source{TransferSyntax: ts.UID}, 0)
			if err != nil {
				t.Fatalf("%s: %v", ts, err)
			}
			if diff := difference(d, read.Dataset, true); diff != "" {
				t.Fatalf("%s, read: %s", ts, diff)
			}
			h, err := dicom.ReadHeader(bytes.NewReader(b), dicom.Source{TransferSyntax: ts.UID}, dicom.Limits{InlineBinary: 16, InlineText: 24})
			if err != nil {
				t.Fatalf("%s: %v", ts, err)
			}
			checkNoted(t, d, h, b)
			form, err := dicom.AppendHeader(nil, h)
			if err != nil {
				t.Fatal(err)
			}
			back, err := dicom.ParseHeader(form)
			if err != nil {
				t.Fatal(err)
			}
			if diff := difference(h.Dataset, back.Dataset, true); diff != "" {
				t.Fatalf("%s, header form: %s", ts, diff)
			}
		}
	})
}

// checkNoted compares a header, whose large values were left in the object b, with the data set.
func checkNoted(t *rapid.T, d *dicom.Dataset, h *dicom.Header, b []byte) {
	ts := h.TransferSyntax
	at := func(offset, length int64, v vr.VR) []byte {
		got := bytes.Clone(b[offset : offset+length])
		if size := v.Size(); ts.BigEndian && size > 1 {
			for number := range slices.Chunk(got, size) {
				slices.Reverse(number)
			}
		}
		return got
	}
	if e := d.Get(tag.PixelData); (e != nil) != (h.Pixel != nil) {
		t.Fatal("pixel data was not noted")
	} else if e != nil && !bytes.Equal(at(h.Pixel.Offset, h.Pixel.Length, e.VR), e.Value) {
		t.Fatal("pixel data lies elsewhere")
	}
	var all []*dicom.Element
	d.Walk(func(_ []dicom.Step, e *dicom.Element) bool {
		if e.Tag != tag.PixelData {
			all = append(all, e)
		}
		return true
	})
	i := 0
	h.Dataset.Walk(func(_ []dicom.Step, e *dicom.Element) bool {
		want := all[i]
		i++
		got := e.Value
		if e.Bulk != nil {
			got = at(e.Bulk.Offset, e.Bulk.Length, e.VR)
		}
		if e.Tag != want.Tag || !bytes.Equal(got, want.Value) {
			t.Fatalf("%s: value differs", e.Tag)
		}
		return true
	})
	if i != len(all) {
		t.Fatalf("%d of %d elements", i, len(all))
	}
}

// TestConvertAgrees: converting the bytes and writing the data set anew give the same.
func TestConvertAgrees(t *testing.T) {
	t.Parallel()
	all := append([]dicom.TransferSyntax{dicom.DeflatedExplicitVRLittleEndian}, natives...)
	rapid.Check(t, func(t *rapid.T) {
		d := dataset(0).Draw(t, "data set")
		from := rapid.SampledFrom(natives).Draw(t, "from")
		b, err := dicom.AppendDataset(nil, d, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range all {
			var there, back bytes.Buffer
			if err := dicom.Convert(&there, bytes.NewReader(b), from, to); err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			got, err := dicom.ParseDataset(there.Bytes(), to)
			if err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			if diff := difference(d, got, from.ImplicitVR == to.ImplicitVR); diff != "" {
				t.Fatalf("%s to %s: %s", from, to, diff)
			}
			if err := dicom.Convert(&back, &there, to, from); err != nil {
				t.Fatalf("%s to %s and back: %v", from, to, err)
			}
			if from.ImplicitVR == to.ImplicitVR && !bytes.Equal(back.Bytes(), b) {
				t.Fatalf("%s to %s and back: other bytes", from, to)
			}
		}
	})
}

// TestConvertStreams turns 16 MiB of pixel data around in little memory.
func TestConvertStreams(t *testing.T) {
	const size = 16 << 20
	head := explicit(tag.BitsAllocated, vr.US, 2, "\x10\x00") + explicit(tag.PixelData, vr.OW, size, "")
	src := &pattern{head: []byte(head), left: size}
	out := &check{skip: len(head)}
	grown := allocated(func() {
		if err := dicom.Convert(out, src, dicom.ExplicitVRLittleEndian, dicom.ExplicitVRBigEndian); err != nil {
			t.Fatal(err)
		}
	})
	if out.n != int64(len(head)+size) || out.bad {
		t.Errorf("%d bytes, wrong words: %v", out.n, out.bad)
	}
	if grown > 1<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
}

// pattern reads a head and then words 0x0102.
type pattern struct {
	head []byte
	left int
	odd  bool
}

func (p *pattern) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.left)
	for i := range b[:n] {
		b[i] = 2
		if p.odd {
			b[i] = 1
		}
		p.odd = !p.odd
	}
	p.left -= n
	return n, nil
}

// check wants words 0x0102 in big endian behind a head.
type check struct {
	skip int
	n    int64
	bad  bool
}

func (c *check) Write(b []byte) (int, error) {
	for i, x := range b {
		at := c.n + int64(i)
		if at >= int64(c.skip) && x != byte(1+(at-int64(c.skip))%2) {
			c.bad = true
		}
	}
	c.n += int64(len(b))
	return len(b), nil
}

// TestBigEndianValues checks the order of bytes itself, not only that it is undone.
func TestBigEndianValues(t *testing.T) {
	t.Parallel()
	d := &dicom.Dataset{}
	d.SetInts(tag.Rows, 0x0102)
	d.SetFloats(tag.FloatingPointValue, 1.5)
	d.SetInts(tag.FrameIncrementPointer, 0x00181063)
	b, err := dicom.AppendDataset(nil, d, dicom.ExplicitVRBigEndian)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("\x00\x28\x00\x09AT\x00\x04\x00\x18\x10\x63\x00\x28\x00\x10US\x00\x02\x01\x02\x00\x40\xA1\x61FD\x00\x08"),
		binary.BigEndian.AppendUint64(nil, 0x3FF8000000000000)...)
	if !bytes.Equal(b, want) {
		t.Errorf("got  %x\nwant %x", b, want)
	}
}
