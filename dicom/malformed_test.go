package dicom_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/dicom/vr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// refused are the damaged objects that cannot be understood. All others in malformed/ are read;
// whether they may be stored (an empty Study Instance UID) is for the archive to judge.
var refused = map[string]errs.Kind{
	"made/cut-in-dataset.dcm":        errs.Invalid,
	"made/cut-in-meta.dcm":           errs.Invalid,
	"made/cut-in-pixels.dcm":         errs.Invalid,
	"made/deflated-cut.dcm":          errs.Invalid,
	"made/dicm-only.dcm":             errs.Invalid,
	"made/empty.dcm":                 errs.Invalid,
	"made/enc-fragment-past-end.dcm": errs.Invalid,
	"made/length-past-end.dcm":       errs.Invalid,
	"made/lo-undefined-length.dcm":   errs.Invalid,
	"made/nested-10000.dcm":          errs.Exhausted,
	"made/pixels-length-4g.dcm":      errs.Invalid,
	"made/png-named-dcm.dcm":         errs.Invalid,
	"made/preamble-only.dcm":         errs.Invalid,
	"made/random-4k.dcm":             errs.Invalid,
	"made/sq-item-too-long.dcm":      errs.Invalid,
	"made/sq-no-delimiter.dcm":       errs.Invalid,
	"made/text.dcm":                  errs.Invalid,
	"made/trailing-garbage.dcm":      errs.Invalid,
	"made/ts-says-big-endian.dcm":    errs.Invalid,
	"made/ts-says-deflated.dcm":      errs.Invalid,
	"made/ts-says-implicit.dcm":      errs.Invalid,
	"real/bulk-3gb-truncated.dcm":    errs.Invalid,
}

// strictOnly are refused unless Source.Lenient: they have no preamble or no meta information.
var strictOnly = []string{"made/meta-no-ts.dcm", "made/no-meta.dcm", "made/no-preamble.dcm",
	"real/no-preamble-dicm-inside.dcm"}

func TestMalformedCorpus(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, o := range corpus(t, true) {
		file := o.read(t)
		name := strings.TrimPrefix(o.Path, "malformed/")
		h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{Lenient: true}, dicom.Limits{})
		want, bad := refused[name]
		switch {
		case bad && !errs.Is(err, want):
			t.Errorf("%s: want %v, got %v", name, want, err)
		case bad:
			seen++
		case err != nil:
			t.Errorf("%s (%s): %v", name, o.Expect, err)
		case h.End != int64(len(file)):
			t.Errorf("%s: End is %d of %d", name, h.End, len(file))
		}
		if !bad && o.SOP != "" {
			checkHeader(t, o, h)
		}
		_, err = dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{})
		for _, s := range strictOnly {
			if s == name && !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: strict reading gives %v", name, err)
			}
		}
	}
	if seen != len(refused) {
		t.Errorf("%d of %d damaged objects found", seen, len(refused))
	}
}

// explicit writes an element in Explicit VR Little Endian whose length may lie.
func explicit(t tag.Tag, v vr.VR, length uint32, value string) string {
	b := binary.LittleEndian.AppendUint16(nil, t.Group())
	b = binary.LittleEndian.AppendUint16(b, t.Element())
	b = append(b, byte(v>>8), byte(v))
	if v.Long() {
		b = binary.LittleEndian.AppendUint32(append(b, 0, 0), length)
	} else {
		b = binary.LittleEndian.AppendUint16(b, uint16(length))
	}
	return string(b) + value
}

const (
	item     = "\xFE\xFF\x00\xE0"
	itemEnd  = "\xFE\xFF\x0D\xE0\x00\x00\x00\x00"
	seqEnd   = "\xFE\xFF\xDD\xE0\x00\x00\x00\x00"
	endless  = "\xFF\xFF\xFF\xFF"
	noLength = 0xFFFFFFFF
)

func TestDamage(t *testing.T) {
	t.Parallel()
	sq := tag.ReferencedStudySequence
	for _, c := range []struct {
		name string
		data string
		want errs.Kind
	}{
		{"half a tag", "\x08\x00", errs.Invalid},
		{"half a length", explicit(tag.PatientName, vr.PN, 4, "")[:7], errs.Invalid},
		{"half a long header", explicit(tag.PixelData, vr.OW, 4, "")[:10], errs.Invalid},
		{"value past the end", explicit(tag.PatientName, vr.PN, 4, "A^B"), errs.Invalid},
		{"4 GB text", explicit(tag.TextValue, vr.UT, noLength-1, "abc"), errs.Invalid},
		{"4 GB sequence", explicit(sq, vr.SQ, noLength-1, ""), errs.Invalid},
		{"4 GB item", explicit(sq, vr.SQ, noLength, item+"\xFE\xFF\xFF\xFF"), errs.Invalid},
		{"4 GB pixel data", explicit(tag.PixelData, vr.OW, noLength-1, "abcd"), errs.Invalid},
		{"4 GB fragment", explicit(tag.PixelData, vr.OB, noLength, item+"\x00\x00\x00\x00"+item+"\xFE\xFF\xFF\xFF"), errs.Invalid},
		{"fragment of undefined length", explicit(tag.PixelData, vr.OB, noLength, item+"\x00\x00\x00\x00"+item+endless), errs.Invalid},
		{"4 GB offset table", explicit(tag.PixelData, vr.OB, noLength, item+"\xFC\xFF\xFF\xFF"), errs.Exhausted},
		{"item longer than its sequence", explicit(sq, vr.SQ, 16, item+"\x10\x00\x00\x00"+strings.Repeat("\x00", 16)), errs.Invalid},
		{"element longer than its item", explicit(sq, vr.SQ, 20, item+"\x0c\x00\x00\x00"+explicit(tag.PatientID, vr.LO, 100, "abcd")), errs.Invalid},
		{"sequence without items' tags", explicit(sq, vr.SQ, 8, "\x00\x00\x00\x00\x00\x00\x00\x00"), errs.Invalid},
		{"sequence without end", explicit(sq, vr.SQ, noLength, item+endless), errs.Invalid},
		{"delimiter at the top", itemEnd, errs.Invalid},
		{"text of undefined length", explicit(tag.TextValue, vr.UT, noLength, seqEnd), errs.Invalid},
		{"garbage behind zeros", strings.Repeat("\x00", 100) + "x", errs.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src := dicom.Source{TransferSyntax: dicom.ExplicitVRLittleEndian.UID}
			if _, err := dicom.ReadHeader(strings.NewReader(c.data), src, dicom.Limits{}); !errs.Is(err, c.want) {
				t.Errorf("ReadHeader: want %v, got %v", c.want, err)
			}
			if _, err := dicom.Read(iotest.OneByteReader(strings.NewReader(c.data)), src, 0); !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Exhausted) {
				t.Errorf("Read: want invalid or exhausted, got %v", err)
			}
			if _, err := dicom.ParseDataset([]byte(c.data), dicom.ExplicitVRLittleEndian); !errs.Is(err, errs.Invalid) {
				t.Errorf("ParseDataset: want invalid, got %v", err)
			}
			if err := dicom.Convert(io.Discard, strings.NewReader(c.data), dicom.ExplicitVRLittleEndian, dicom.ImplicitVRLittleEndian); !errs.Is(err, errs.Invalid) {
				t.Errorf("Convert: want invalid, got %v", err)
			}
		})
	}
}

// TestTolerated reads what is not legal but clear.
func TestTolerated(t *testing.T) {
	t.Parallel()
	sq := tag.ReferencedStudySequence
	id := explicit(tag.PatientID, vr.LO, 4, "1234")
	for _, c := range []struct {
		name, data string
		elements   int
	}{
		{"nothing", "", 0},
		{"zeros behind", id + "\x00", 1},
		{"many zeros behind", id + strings.Repeat("\x00", 100<<10), 1},
		{"odd length", explicit(tag.PatientID, vr.LO, 3, "123"), 1},
		{"twice", id + explicit(tag.PatientID, vr.LO, 2, "99"), 2},
		{"out of order", explicit(tag.StudyID, vr.SH, 2, "7 ") + id, 2},
		{"unknown VR", explicit(0x00091001, 'Z'<<8|'Z', 2, "ab") + id, 2},
		{"blank VR", explicit(tag.PixelPaddingValue, ' '<<8|' ', 2, "ab") + id, 2},
		{"delimiters in defined lengths", explicit(sq, vr.SQ, 36, item+"\x14\x00\x00\x00"+id+itemEnd+seqEnd)[:12+36] + id, 2},
		{"item without sequence", item + "\x0c\x00\x00\x00" + id + id, 2},
		{"empty item", explicit(sq, vr.SQ, noLength, item+"\x00\x00\x00\x00"+seqEnd) + id, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := dicom.ParseDataset([]byte(c.data), dicom.ExplicitVRLittleEndian)
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Elements) != c.elements {
				t.Errorf("%d elements, want %d", len(d.Elements), c.elements)
			}
			if got := d.Text(tag.PatientID); c.elements > 0 && !strings.HasPrefix(got, "123") {
				t.Errorf("Patient ID is %q", got)
			}
			out, err := dicom.AppendDataset(nil, d, dicom.ExplicitVRLittleEndian)
			if err != nil {
				t.Fatal(err)
			}
			again, err := dicom.ParseDataset(out, dicom.ExplicitVRLittleEndian)
			if err != nil {
				t.Fatal(err)
			}
			if diff := difference(d, again, true); diff != "" {
				t.Error("written and read:", diff)
			}
		})
	}
}

func nested(depth int) string {
	var b strings.Builder
	for range depth {
		b.WriteString(explicit(tag.ContentSequence, vr.SQ, noLength, item+endless))
	}
	for range depth {
		b.WriteString(itemEnd + seqEnd)
	}
	return b.String()
}

func TestDepth(t *testing.T) {
	t.Parallel()
	src := dicom.Source{TransferSyntax: dicom.ExplicitVRLittleEndian.UID}
	for _, c := range []struct {
		depth int
		lim   dicom.Limits
		ok    bool
	}{
		{128, dicom.Limits{}, true},
		{129, dicom.Limits{}, false},
		{10_000, dicom.Limits{}, false},
		{10_000, dicom.Limits{Depth: 10_000}, true},
	} {
		h, err := dicom.ReadHeader(strings.NewReader(nested(c.depth)), src, c.lim)
		if c.ok != (err == nil) || !c.ok && !errs.Is(err, errs.Exhausted) {
			t.Errorf("%d levels, limit %d: %v", c.depth, c.lim.Depth, err)
		}
		if err == nil {
			if _, err := dicom.AppendHeader(nil, h); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	src := dicom.Source{TransferSyntax: dicom.ExplicitVRLittleEndian.UID}
	many := strings.Repeat(explicit(tag.PatientID, vr.LO, 0, ""), 1000)
	fragments := explicit(tag.PixelData, vr.OB, noLength, strings.Repeat(item+"\x00\x00\x00\x00", 12)+seqEnd)
	for _, c := range []struct {
		name, data string
		lim        dicom.Limits
	}{
		{"elements", many, dicom.Limits{Header: 20_000}},
		{"bytes", strings.Repeat(explicit(tag.PatientID, vr.LO, 60_000, strings.Repeat("a", 60_000)), 3), dicom.Limits{Header: 100_000}},
		{"fragments", fragments, dicom.Limits{Fragments: 10}},
	} {
		if _, err := dicom.ReadHeader(strings.NewReader(c.data), src, c.lim); !errs.Is(err, errs.Exhausted) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := dicom.ReadHeader(strings.NewReader(c.data), src, dicom.Limits{}); err != nil {
			t.Errorf("%s without limit: %v", c.name, err)
		}
	}
}

// TestBulk leaves large values in the object and says where they lie.
func TestBulk(t *testing.T) {
	t.Parallel()
	text, table := strings.Repeat("t", 70_000), strings.Repeat("ab", 3000)
	data := explicit(tag.TextValue, vr.UT, uint32(len(text)), text) +
		explicit(tag.WaveformData, vr.OW, uint32(len(table)), table) +
		explicit(tag.PatientID, vr.LO, 2, "12")
	src := dicom.Source{TransferSyntax: dicom.ExplicitVRLittleEndian.UID, Base: 1000}
	h, err := dicom.ReadHeader(strings.NewReader(data), src, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for t1, want := range map[tag.Tag]string{tag.TextValue: text, tag.WaveformData: table} {
		e := h.Dataset.Get(t1)
		if e.Bulk == nil || data[e.Bulk.Offset-1000:e.Bulk.Offset-1000+e.Bulk.Length] != want {
			t.Errorf("%s: bulk %+v is not its value", t1, e.Bulk)
		}
	}
	if h.End != 1000+int64(len(data)) || h.DatasetOffset != 1000 {
		t.Errorf("data set from %d to %d", h.DatasetOffset, h.End)
	}
	if _, err := dicom.AppendDataset(nil, h.Dataset, dicom.ExplicitVRLittleEndian); err == nil {
		t.Error("a bulk value was written")
	}
}

// TestAllocationBound feeds lying lengths and counts what is allocated.
func TestAllocationBound(t *testing.T) {
	src := dicom.Source{TransferSyntax: dicom.ExplicitVRLittleEndian.UID}
	for name, data := range map[string]string{
		"text":      explicit(tag.TextValue, vr.UT, noLength-1, strings.Repeat("a", 1000)),
		"binary":    explicit(tag.WaveformData, vr.OW, noLength-1, strings.Repeat("a", 1000)),
		"pixels":    explicit(tag.PixelData, vr.OW, noLength-1, strings.Repeat("a", 1000)),
		"fragment":  explicit(tag.PixelData, vr.OB, noLength, item+"\x00\x00\x00\x00"+item+"\xFE\xFF\xFF\xFF"+strings.Repeat("a", 1000)),
		"ext table": explicit(tag.ExtendedOffsetTable, vr.OV, 32<<20, strings.Repeat("a", 1000)),
		"offsets":   explicit(tag.PixelData, vr.OB, noLength, item+"\x00\x00\x00\x01"+strings.Repeat("a", 1000)),
		"sequence":  explicit(tag.ContentSequence, vr.SQ, noLength-1, item+"\xF0\xFF\xFF\xFF"+strings.Repeat("a", 1000)),
	} {
		for _, whole := range []bool{false, true} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var err error
			if whole {
				_, err = dicom.Read(strings.NewReader(data), src, 0)
			} else {
				_, err = dicom.ReadHeader(strings.NewReader(data), src, dicom.Limits{})
			}
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s: accepted", name)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
				t.Errorf("%s, whole %v: %d bytes allocated for 1 kB", name, whole, grown)
			}
		}
	}
}

// TestDeflateBomb inflates 300 kB to 300 MiB in little memory, and stops at a limit.
func TestDeflateBomb(t *testing.T) {
	o := object{testkit.Sample{Path: "malformed/made/deflate-bomb-300m.dcm"}}
	file := o.read(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Error(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
	if _, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{Inflated: 100 << 20}); !errs.Is(err, errs.Exhausted) {
		t.Errorf("limit: %v", err)
	}
	if _, err := dicom.Read(bytes.NewReader(file), dicom.Source{}, 10<<20); !errs.Is(err, errs.Exhausted) {
		t.Errorf("whole: %v", err)
	}
}

// TestReaderErrors are passed on as they are.
func TestReaderErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	file := ctSmall(t)
	for _, at := range []int{0, 50, 131, 140, 400, 1000, 5000, len(file) - 10} {
		r := io.MultiReader(bytes.NewReader(file[:at]), iotest.ErrReader(broken))
		if _, err := dicom.ReadHeader(r, dicom.Source{}, dicom.Limits{}); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", at, err)
		}
	}
}

// TestEveryCut cuts an object at every byte: it is refused, but where an element ends.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	file := ctSmall(t)
	h, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for at := range file[:h.Pixel.Offset+100] {
		_, err := dicom.ReadHeader(bytes.NewReader(file[:at]), dicom.Source{}, dicom.Limits{})
		if err == nil {
			whole++
		} else if !errs.Is(err, errs.Invalid) {
			t.Fatal(at, err)
		}
	}
	before := 0
	for e := range h.Dataset.All() {
		if e.Tag < tag.PixelData {
			before++
		}
	}
	if whole != before {
		t.Errorf("%d cuts accepted, %d elements end before the pixel data", whole, before)
	}
}

// TestSlowReaders gives the same header however the bytes come.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	file := ctSmall(t)
	want, err := dicom.ReadHeader(bytes.NewReader(file), dicom.Source{}, dicom.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(file)), iotest.HalfReader(bytes.NewReader(file)),
		iotest.DataErrReader(bytes.NewReader(file))} {
		got, err := dicom.ReadHeader(r, dicom.Source{}, dicom.Limits{})
		if err != nil {
			t.Fatal(i, err)
		}
		checkSameHeader(t, fmt.Sprint("reader ", i), want, got)
	}
}
