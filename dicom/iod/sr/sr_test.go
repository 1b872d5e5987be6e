package sr_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod/iodtest"
	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

// documents are the structured reports and key objects of the corpus.
func documents(t testing.TB) (dir string, out []testkit.Sample) {
	return testkit.Corpus(t, func(s testkit.Sample) bool {
		return strings.HasPrefix(s.SOPClass, "1.2.840.10008.5.1.4.1.1.88.") && s.Expect == ""
	})
}

func read(t testing.TB, path string) *sr.Document {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := dicom.Read(bytes.NewReader(b), dicom.Source{Lenient: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	d, err := sr.Read(f.Dataset)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return d
}

var line = regexp.MustCompile(`^( *)<(?:(contains|has [a-z ]*?|inferred from|selected from) )?([A-Z0-9]+:|[0-9.]+>)`)

var short = map[string]string{"HAS OBS CONTEXT": "has obs context", "HAS CONCEPT MOD": "has concept mod",
	"HAS ACQ CONTEXT": "has acq context", "HAS PROPERTIES": "has properties", "INFERRED FROM": "inferred from",
	"SELECTED FROM": "selected from", "CONTAINS": "contains"}

// Every item has the depth, relationship and value type that DCMTK prints.
func TestTreeAsDCMTK(t *testing.T) {
	t.Parallel()
	tool := testkit.Tool(t, "dsrdump")
	dir, samples := documents(t)
	if len(samples) < 8 {
		t.Fatalf("only %d documents in the corpus", len(samples))
	}
	for _, s := range samples {
		out, err := exec.Command(tool, filepath.Join(dir, s.Path)).Output()
		if err != nil {
			t.Logf("%s: dsrdump cannot read it", s.Path)
			continue
		}
		var want []string
		for text := range strings.Lines(string(out)) {
			if m := line.FindStringSubmatch(text); m != nil {
				kind := strings.TrimSuffix(strings.TrimSuffix(m[3], ":"), ">")
				want = append(want, m[1]+m[2]+" "+kind)
			}
		}
		var got []string
		var walk func(it *sr.Item, depth int)
		walk = func(it *sr.Item, depth int) {
			kind := string(it.ValueType)
			if it.Path != nil {
				kind = number(it.Path)
			}
			got = append(got, strings.Repeat("  ", depth)+short[it.Relationship]+" "+kind)
			for _, c := range it.Children {
				walk(c, depth+1)
			}
		}
		d := read(t, filepath.Join(dir, s.Path))
		walk(d.Root, 0)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d items, DCMTK has %d", s.Path, len(got), len(want))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("  item %d: %q, want %q", i, got[i], want[i])
					break
				}
			}
		}
		if d.Items != len(got) {
			t.Errorf("%s: Items %d, want %d", s.Path, d.Items, len(got))
		}
	}
}

func number(path []int) string {
	var b []string
	for _, n := range path {
		b = append(b, strings.TrimSpace(string(rune('0'+n))))
	}
	return strings.Join(b, ".")
}

// find returns the first item of a value type.
func find(it *sr.Item, v sr.ValueType) *sr.Item {
	if it.ValueType == v && it.Path == nil {
		return it
	}
	for _, c := range it.Children {
		if f := find(c, v); f != nil {
			return f
		}
	}
	return nil
}

// What dsrdump says of DCMTK's own example, which has nearly all value types.
func TestValues(t *testing.T) {
	t.Parallel()
	d := read(t, filepath.Join(testkit.Shared(t), "data/derived/sr/comprehensive.dcm"))
	if d.Title.Meaning != "Diagnosis" || d.Type() != "Comprehensive SR" || !d.Complete || !d.Verified || d.Preliminary || !d.HasState ||
		d.PatientName != "Test^S R" || d.CompletionDescription != "This document is completed!" {
		t.Errorf("head %+v", d)
	}
	if len(d.Verifiers) != 2 || d.Verifiers[0].Name != "Riesmeier^Jörg" || d.Verifiers[0].Organization != "OFFIS e.V." || len(d.Predecessors) != 1 {
		t.Errorf("verifiers %+v, predecessors %+v", d.Verifiers, d.Predecessors)
	}
	num := find(d.Root, sr.Num)
	if m := num.Measured; num.Concept.Meaning != "Diameter" || m.Value != "3" || m.Float != 3 || m.Unit.Value != "cm" {
		t.Errorf("NUM %+v", m)
	}
	if g := find(d.Root, sr.SCoord).Region; g.GraphicType != "CIRCLE" || !slices.Equal(g.Points, []float64{0, 0, 255, 255}) {
		t.Errorf("SCOORD %+v", g)
	}
	if m := find(d.Root, sr.TCoord).Moments; m.RangeType != "SEGMENT" || !slices.Equal(m.Offsets, []float64{1, 2.5}) {
		t.Errorf("TCOORD %+v", m)
	}
	if r := find(d.Root, sr.Image).Reference; len(r.Frames) != 2 || r.Frames[0] != 5 || r.Presentation == nil {
		t.Errorf("IMAGE %+v", r)
	}
	if r := find(d.Root, sr.Waveform).Reference; !slices.Equal(r.Channels, []int{5, 3, 2, 0}) {
		t.Errorf("WAVEFORM %+v", r)
	}
	for v, want := range map[sr.ValueType]string{sr.UIDRef: "1.2.3.4.5", sr.Date: "20001206", sr.Time: "120000", sr.DateTime: "20001206120000"} {
		if got := find(d.Root, v).Text; got != want {
			t.Errorf("%s %q, want %q", v, got, want)
		}
	}
	reference := find(d.Root, sr.TCoord).Children[0]
	if reference.Target != find(d.Root, sr.SCoord) {
		t.Errorf("by reference %v to %+v", reference.Path, reference.Target)
	}
	if !find(d.Root, sr.Container).Children[1].Continuous || d.Root.Continuous {
		t.Error("continuity")
	}
}

// content makes an item.
func content(valueType sr.ValueType, children ...*dicom.Dataset) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetText(tag.RelationshipType, "CONTAINS")
	d.SetText(tag.ValueType, string(valueType))
	if children != nil {
		d.SetItems(tag.ContentSequence, children...)
	}
	return d
}

func TestHostile(t *testing.T) {
	t.Parallel()
	deep := content(sr.Container)
	for range 10_000 {
		deep = content(sr.Container, deep)
	}
	if _, err := sr.Read(deep); !errs.Is(err, errs.Exhausted) {
		t.Errorf("10,000 deep: %v", err)
	}
	if _, err := sr.Read(&dicom.Dataset{}); !errs.Is(err, errs.Mismatch) {
		t.Errorf("nothing: %v", err)
	}

	cycle := content("")
	cycle.SetInts(tag.ReferencedContentItemIdentifier, 1)
	nowhere := content("")
	nowhere.SetInts(tag.ReferencedContentItemIdentifier, 1, 4_000_000_000, 7)
	nan := content(sr.SCoord)
	nan.SetText(tag.GraphicType, "POLYLINE")
	nan.SetFloats(tag.GraphicData, 1, 2, math.NaN(), 4, 5)
	odd := content(sr.SCoord3D)
	odd.SetFloats(tag.GraphicData, 1, 2, 3, 4)
	empty := content(sr.Num)
	d, err := sr.Read(content(sr.Container, cycle, nowhere, nan, odd, empty, content(sr.Image), content(sr.Tabulated), content("WHAT")))
	if err != nil {
		t.Fatal(err)
	}
	c := d.Root.Children
	if c[0].Target != d.Root || c[1].Target != nil || c[2].Region.Points != nil || len(c[3].Region.Points) != 3 ||
		!math.IsNaN(c[4].Measured.Float) || c[5].Reference != nil || c[6].Table == nil || c[7].ValueType != "WHAT" {
		t.Errorf("%+v", c)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	cell := func(row, column int64, text string) *dicom.Dataset {
		d := &dicom.Dataset{}
		d.SetInts(tag.TableRowNumber, row)
		d.SetInts(tag.TableColumnNumber, column)
		d.SetText(tag.TextValue, text)
		return d
	}
	values := &dicom.Dataset{}
	values.SetInts(tag.NumberOfTableRows, 4_000_000_000)
	name := &dicom.Dataset{}
	name.SetText(tag.CodeMeaning, "Dose")
	column := &dicom.Dataset{}
	column.SetItems(tag.ConceptNameCodeSequence, name)
	values.SetItems(tag.TableColumnDefinitionSequence, column)
	values.SetItems(tag.CellValuesSequence, cell(1, 1, "7"), cell(2, 1, "8"), cell(0, 1, "none"))
	table := content(sr.Tabulated)
	table.SetItems(tag.TabulatedValuesSequence, values)
	d, err := sr.Read(content(sr.Container, table))
	if err != nil {
		t.Fatal(err)
	}
	got := d.Root.Children[0].Table
	if len(got.Cells) != 2 || got.Cells[[2]int{2, 1}] != "8" || got.Columns[0].Meaning != "Dose" {
		t.Errorf("%+v", got)
	}
}

// FuzzRead reads whatever parses as a data set.
func FuzzRead(f *testing.F) {
	_, samples := documents(f)
	var seeds []*dicom.Dataset
	for _, s := range samples {
		if s.Bytes < 20_000 {
			seeds = append(seeds, iodtest.Dataset(f, s.Path))
		}
	}
	iodtest.Fuzz(f, seeds, func(t *testing.T, b []byte, d *dicom.Dataset) {
		doc, err := sr.Read(d)
		if err != nil {
			return
		}
		if doc.Root == nil || doc.Items < 1 || doc.Items > len(b)/8+1 {
			t.Errorf("%d items of %d bytes", doc.Items, len(b))
		}
	})
}
