package document_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	htmltext "html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aurelius-imaging/aurelius/dicom"
	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/iodtest"
	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/dicom/tag"
	"github.com/aurelius-imaging/aurelius/imaging/render/document"
	"github.com/aurelius-imaging/aurelius/internal/errs"
	"github.com/aurelius-imaging/aurelius/internal/testkit"
)

var update = flag.Bool("update", false, "write golden files")

func read(t testing.TB, path string) *sr.Document {
	t.Helper()
	return parse(t, iodtest.Dataset(t, path))
}

func parse(t testing.TB, ds *dicom.Dataset) *sr.Document {
	t.Helper()
	d, err := sr.Read(ds)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func link(r iod.Reference) string {
	return "/studies/" + r.StudyInstanceUID + "/series/" + r.SeriesInstanceUID + "/instances/" + r.SOPInstanceUID
}

func html(t testing.TB, d *sr.Document, o document.Options) string {
	t.Helper()
	var b strings.Builder
	if err := document.HTML(&b, d, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func text(t testing.TB, d *sr.Document) string {
	t.Helper()
	var b strings.Builder
	if err := document.Text(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"sr/comprehensive", "sr/comprehensive3d", "sr/tid1500-ellipse", "sr/basic-text", "head-ct/ko", "head-ct/sr-tid1500"} {
		d := read(t, "derived/"+path+".dcm")
		for name, got := range map[string]string{
			filepath.Base(path) + ".html": html(t, d, document.Options{Link: link}),
			filepath.Base(path) + ".txt":  text(t, d),
		} {
			golden(t, name, []byte(got))
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not as in testdata (-update writes it)", name)
	}
}

// Every name and value of every document of the corpus is on the page.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	_, samples := testkit.Corpus(t, func(s testkit.Sample) bool {
		return strings.HasPrefix(s.SOPClass, "1.2.840.10008.5.1.4.1.1.88.") && s.Expect == ""
	})
	for _, s := range samples {
		d := read(t, s.Path)
		page := strings.Join(strings.Fields(htmltext.UnescapeString(html(t, d, document.Options{}))), " ")
		var walk func(it *sr.Item)
		walk = func(it *sr.Item) {
			values := []string{it.Concept.Meaning, it.Code.Meaning}
			if it.ValueType == sr.Text {
				values = append(values, it.Text)
			}
			if it.Measured != nil {
				values = append(values, it.Measured.Value)
			}
			for _, v := range values {
				if !strings.Contains(page, strings.Join(strings.Fields(v), " ")) {
					t.Errorf("%s: no %q", s.Path, v)
				}
			}
			for _, c := range it.Children {
				walk(c)
			}
		}
		walk(d.Root)
	}
}

// item makes a content item below others.
func item(valueType sr.ValueType, name string, set func(d *dicom.Dataset)) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetText(tag.SpecificCharacterSet, "ISO_IR 192")
	d.SetText(tag.RelationshipType, "CONTAINS")
	d.SetText(tag.ValueType, string(valueType))
	if name != "" {
		d.SetItems(tag.ConceptNameCodeSequence, coded(name))
	}
	if set != nil {
		set(d)
	}
	return d
}

func coded(meaning string) *dicom.Dataset {
	d := &dicom.Dataset{}
	d.SetText(tag.CodeValue, "1")
	d.SetText(tag.CodingSchemeDesignator, "99TEST")
	d.SetText(tag.CodeMeaning, meaning)
	return d
}

const attack = `"><script>alert(1)</script><img src=x onerror=alert(1)>'--></style></title>`

// Hostile text stays text wherever it stands.
func TestInjection(t *testing.T) {
	t.Parallel()
	ds := item(sr.Container, attack, func(d *dicom.Dataset) {
		d.SetText(tag.PatientName, attack)
		d.SetText(tag.PatientID, attack)
		d.SetText(tag.StudyDescription, attack)
		d.SetText(tag.CompletionFlagDescription, attack)
		d.SetText(tag.CompletionFlag, "PARTIAL")
		d.SetItems(tag.ContentSequence,
			item(sr.Coded, "Language", func(d *dicom.Dataset) {
				c := coded(attack)
				c.SetText(tag.CodeValue, attack)
				d.SetItems(tag.ConceptCodeSequence, c)
				name := coded("x")
				name.SetText(tag.CodeValue, "121049")
				name.SetText(tag.CodingSchemeDesignator, "DCM")
				d.SetItems(tag.ConceptNameCodeSequence, name)
			}),
			item(sr.Text, attack, func(d *dicom.Dataset) { d.SetText(tag.TextValue, attack+"\x1b[2J\x00\x07") }),
			item(sr.UIDRef, attack, func(d *dicom.Dataset) { d.SetText(tag.UID, attack) }),
			item(sr.Image, attack, func(d *dicom.Dataset) {
				ref := &dicom.Dataset{}
				ref.SetText(tag.ReferencedSOPInstanceUID, attack)
				ref.SetText(tag.ReferencedSOPClassUID, attack)
				d.SetItems(tag.ReferencedSOPSequence, ref)
			}),
			item(sr.SCoord, attack, func(d *dicom.Dataset) { d.SetText(tag.GraphicType, attack) }),
			item(sr.Container, attack, nil))
	})
	page := html(t, parse(t, ds), document.Options{Link: func(r iod.Reference) string { return "javascript:alert(1)//" + r.SOPInstanceUID }})
	tags := regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1)
	known := regexp.MustCompile(`^<(/?(html|head|title|style|body|header|main|h[1-6]|p|table|colgroup|tr|th|td|span|a|div|col)|!DOCTYPE html|meta)( (lang|charset|name|content|class|colspan|scope|id|title|href)="[^"<>]*")*>$`)
	for _, tag := range tags {
		if !known.MatchString(tag) {
			t.Errorf("markup %q", tag)
		}
	}
	if strings.Contains(page, "javascript:") || strings.ContainsAny(page, "\x00\x07\x1b") || strings.Count(page, "</style>") != 1 {
		t.Error("something got through")
	}
	if !strings.Contains(page, `lang="en"`) {
		t.Error("the language is believed")
	}
	if plain := text(t, parse(t, ds)); strings.ContainsAny(plain, "\x00\x07\x1b") || !strings.Contains(plain, "<script>") {
		t.Error("control characters in the text")
	}
}

// The page brings its style, and Policy allows just that.
func TestPolicy(t *testing.T) {
	t.Parallel()
	page := html(t, parse(t, item(sr.Container, "Title", nil)), document.Options{})
	if strings.Contains(page, "style=") || strings.Contains(page, "<script") || strings.Contains(page, "src=") || strings.Contains(page, "url(") {
		t.Error("the page needs more than its own style")
	}
	_, rest, _ := strings.Cut(page, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if p := document.Policy(); !strings.HasPrefix(p, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("policy %q", p)
	}
}

// References in circles, and what names nothing.
func TestReferences(t *testing.T) {
	t.Parallel()
	to := func(path ...int64) *dicom.Dataset {
		return item("", "", func(d *dicom.Dataset) { d.SetInts(tag.ReferencedContentItemIdentifier, path...) })
	}
	d := parse(t, item(sr.Container, "Title", func(d *dicom.Dataset) {
		d.SetItems(tag.ContentSequence,
			item(sr.Text, "A", func(d *dicom.Dataset) { d.SetText(tag.TextValue, "a"); d.SetItems(tag.ContentSequence, to(1, 2)) }),
			item(sr.Text, "B", func(d *dicom.Dataset) {
				d.SetText(tag.TextValue, "b")
				d.SetItems(tag.ContentSequence, to(1, 1), to(1), to(1, 9))
			}))
	}))
	page := html(t, d, document.Options{})
	for _, want := range []string{`id="i1.1"`, `id="i1.2"`, `href="#i1.1"`, `href="#i1.2"`, `id="i1"`, `href="#i1"`, "item 1.9, which is not there"} {
		if strings.Count(page, want) != 1 {
			t.Errorf("%d times %s", strings.Count(page, want), want)
		}
	}
}

// Values without a number, or with one and why to doubt it; units by their symbols.
func TestNumbers(t *testing.T) {
	t.Parallel()
	num := func(name, value, unit, scheme, qualifier string) *dicom.Dataset {
		return item(sr.Num, name, func(d *dicom.Dataset) {
			if value != "" {
				v, u := &dicom.Dataset{}, coded("name of the unit")
				u.SetText(tag.CodeValue, unit)
				u.SetText(tag.CodingSchemeDesignator, scheme)
				v.SetText(tag.NumericValue, value)
				v.SetItems(tag.MeasurementUnitsCodeSequence, u)
				d.SetItems(tag.MeasuredValueSequence, v)
			}
			if qualifier != "" {
				d.SetItems(tag.NumericValueQualifierCodeSequence, coded(qualifier))
			}
		})
	}
	got := text(t, parse(t, item(sr.Container, "Title", func(d *dicom.Dataset) {
		d.SetItems(tag.ContentSequence, num("Area", "1.50", "mm2", "UCUM", ""), num("Count", "3", "1", "UCUM", ""), num("Density", "7", "[hnsf'U]", "UCUM", ""),
			num("Nothing", "", "", "", "Measurement failure"), num("Perhaps", "5", "cm", "99X", "Value out of range"), num("Silence", "", "", "", ""))
	})))
	for _, want := range []string{"\nArea: 1.50 mm²\n", "\nCount: 3\n", "\nDensity: 7 name of the unit\n", "\nNothing: Measurement failure\n",
		"\nPerhaps: 5 (Value out of range) cm\n", "\nSilence: no value\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func pdf(t testing.TB, d *sr.Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := document.PDF(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Ghostscript finds every word of the text on the pages of the PDF, and nothing to complain of.
func TestPDF(t *testing.T) {
	t.Parallel()
	gs := testkit.Tool(t, "gs")
	for _, path := range []string{"sr/comprehensive", "sr/petct-measurements", "head-ct/sr-tid1500"} {
		d := read(t, "derived/"+path+".dcm")
		file := filepath.Join(t.TempDir(), "report.pdf")
		if err := os.WriteFile(file, pdf(t, d), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(gs, "-q", "-dNOPAUSE", "-dBATCH", "-dPDFSTOPONERROR", "-sDEVICE=txtwrite", "-o", "-", file).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, out)
		}
		got := map[string]bool{}
		for _, word := range strings.Fields(string(out)) {
			got[word] = true
		}
		for _, word := range strings.Fields(text(t, d)) {
			if !got[word] && strings.Trim(word, "=-") != "" {
				t.Errorf("%s: %q is missing", path, word)
			}
		}
		if pages := bytes.Count(pdf(t, d), []byte("/Type /Page ")); !strings.Contains(string(out), fmt.Sprintf("page %d of %d", pages, pages)) {
			t.Errorf("%s: %d pages, not numbered", path, pages)
		}
	}
}

// Text that a PDF cannot show is refused, not mangled; brackets and long words are no trouble.
func TestPDFText(t *testing.T) {
	t.Parallel()
	with := func(s string) *sr.Document {
		return parse(t, item(sr.Container, "Title", func(d *dicom.Dataset) {
			d.SetItems(tag.ContentSequence, item(sr.Text, "", func(d *dicom.Dataset) { d.SetText(tag.TextValue, s) }))
		}))
	}
	if err := document.PDF(io.Discard, with("山田 太郎")); !errs.Is(err, errs.Unsupported) {
		t.Errorf("Japanese: %v", err)
	}
	got := pdf(t, with(`Größe (ca.) 5 µm \ ± 1`))
	if !bytes.Contains(got, []byte("(Gr\xF6\xDFe \\(ca.\\) 5 \xB5m \\\\ \xB1 1)")) {
		t.Errorf("%q", got)
	}
	if n := bytes.Count(pdf(t, with(strings.Repeat("x", 10_000))), []byte(" Tj ET")); n < 100 {
		t.Errorf("a long word in %d lines", n)
	}
}

// FuzzPages makes pages of whatever is a report: of bounded length, and never a panic.
func FuzzPages(f *testing.F) {
	var seeds []*dicom.Dataset
	for _, path := range []string{"sr/comprehensive", "sr/comprehensive3d", "head-ct/ko"} {
		seeds = append(seeds, iodtest.Dataset(f, "derived/"+path+".dcm"))
	}
	iodtest.Fuzz(f, seeds, func(t *testing.T, b []byte, ds *dicom.Dataset) {
		d, err := sr.Read(ds)
		if err != nil {
			return
		}
		page := html(t, d, document.Options{Link: link})
		if len(page) > 8000+100*len(b) || strings.Contains(page, "javascript:") {
			t.Errorf("%d bytes of %d", len(page), len(b))
		}
		_ = text(t, d)
		if err := document.PDF(io.Discard, d); err != nil && !errs.Is(err, errs.Unsupported) {
			t.Error(err)
		}
	})
}
