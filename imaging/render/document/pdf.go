package document

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// widths of Helvetica and Helvetica-Bold in thousandths, from the space on, in WinAnsiEncoding
// (ISO 32000-1 9.6.2.2, Annex D.2). Readers have these fonts or ones of the same widths.
var widths = [2][224]uint16{
	{
		278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278,
		584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944,
		667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
		278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, 350, 556, 350, 222, 556, 333, 1000, 556, 556, 333, 1000, 667, 333, 1000, 350, 611, 350,
		350, 222, 222, 333, 333, 350, 556, 1000, 333, 1000, 500, 333, 944, 350, 500, 667, 278, 333, 556, 556, 556, 556, 260, 556, 333, 737, 370, 556,
		584, 333, 737, 333, 400, 584, 333, 333, 333, 556, 537, 278, 333, 333, 365, 556, 834, 834, 834, 611, 667, 667, 667, 667, 667, 667, 1000, 722,
		667, 667, 667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667, 611, 556, 556, 556, 556,
		556, 556, 889, 500, 556, 556, 556, 556, 278, 278, 278, 278, 556, 556, 556, 556, 556, 556, 556, 584, 611, 556, 556, 556, 556, 500, 556, 500,
	},
	{
		278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333,
		584, 584, 584, 611, 975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944,
		667, 667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556,
		333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584, 350, 556, 350, 278, 556, 500, 1000, 556, 556, 333, 1000, 667, 333, 1000, 350, 611, 350,
		350, 278, 278, 500, 500, 350, 556, 1000, 333, 1000, 556, 333, 944, 350, 500, 667, 278, 333, 556, 556, 556, 556, 280, 556, 333, 737, 370, 556,
		584, 333, 737, 333, 400, 584, 333, 333, 333, 611, 556, 278, 333, 333, 365, 556, 834, 834, 834, 611, 722, 722, 722, 722, 722, 722, 1000, 722,
		667, 667, 667, 667, 278, 278, 278, 278, 722, 722, 778, 778, 778, 778, 778, 584, 778, 722, 722, 722, 722, 667, 667, 611, 556, 556, 556, 556,
		556, 556, 889, 556, 556, 556, 556, 556, 278, 278, 278, 278, 611, 611, 611, 611, 611, 611, 611, 584, 611, 611, 611, 611, 611, 556, 611, 556,
	},
}

// The page is A4, in points.
const (
	pageWidth, pageHeight = 595, 842
	margin                = 56
	textSize              = 10
	indentWidth           = 14
)

// PDF writes a document as PDF 1.4. Its fonts have the text of western Europe: errs.Unsupported
// says that the document has other text, which would be lost; HTML shows it.
func PDF(w io.Writer, d *sr.Document) error {
	const op = "document.PDF"
	p := layout(d, Options{})
	var out typesetter
	for _, l := range p.lines() {
		text, err := winAnsi(l.text)
		if err != nil {
			return errs.Errorf(errs.Unsupported, op, "the document has text that the fonts of a PDF do not have")
		}
		out.line(text, l.level, l.indent)
	}
	title, _ := winAnsi(p.Title) // it is among the lines
	foot := title
	for _, r := range p.Head {
		if r.Label.Text == "Patient" {
			patient, _ := winAnsi(plain(r.Value))
			foot += " - " + patient
		}
	}
	_, err := w.Write(out.file(p.Title, foot))
	return errs.E(errs.KindOf(err), op, err)
}

// winAnsi encodes a line for the fonts.
func winAnsi(s string) (string, error) {
	return charmap.Windows1252.NewEncoder().String(strings.ReplaceAll(s, "\t", "    "))
}

// typesetter sets lines on pages.
type typesetter struct {
	pages []*bytes.Buffer // what is drawn on each
	y     float64         // of the last line
}

func measure(s string, font int, size float64) float64 {
	n := 0
	for i := range len(s) {
		if s[i] >= ' ' {
			n += int(widths[font][s[i]-' '])
		}
	}
	return float64(n) * size / 1000
}

// line sets a heading or a line of text, broken where it is too long.
func (t *typesetter) line(s string, level, indent int) {
	font, size, above := 0, float64(textSize), 0.0
	switch {
	case level == 1:
		font, size = 1, 18
	case level == 2:
		font, size, above = 1, 13, 6
	case level > 2:
		font, size, above = 1, 11, 3
	}
	if s == "" {
		t.y -= size / 2
		return
	}
	x := margin + float64(min(indent, 12)*indentWidth)
	for s != "" {
		var first string
		first, s = fit(s, font, size, pageWidth-margin-x)
		step := size*1.35 + above
		above = 0
		// A heading does not stand alone at the foot of a page.
		if room := step + float64(min(level, 1))*3*textSize; len(t.pages) == 0 || t.y-room < margin {
			t.pages = append(t.pages, &bytes.Buffer{})
			t.y = pageHeight - margin
		}
		t.y -= step
		t.show(len(t.pages)-1, first, font, size, x, t.y)
	}
}

// fit cuts off what fits into a width: whole words, or as much of a word as there is room for.
func fit(s string, font int, size, width float64) (first, rest string) {
	used, space := 0.0, -1
	for i := range len(s) {
		if s[i] == ' ' {
			space = i
		}
		if used += measure(s[i:i+1], font, size); used > width && i > 0 && s[i] != ' ' {
			if space > 0 {
				return s[:space], strings.TrimLeft(s[space:], " ")
			}
			return s[:i], s[i:]
		}
	}
	return s, ""
}

func (t *typesetter) show(page int, s string, font int, size, x, y float64) {
	fmt.Fprintf(t.pages[page], "BT /F%d %g Tf %.2f %.2f Td %s Tj ET\n", font, size, x, y, literal(s))
}

// literal writes a string object (ISO 32000-1 7.3.4.2).
func literal(s string) string {
	return "(" + strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`, "\r", `\r`, "\n", `\n`).Replace(s) + ")"
}

// unicodeString writes a text string (ISO 32000-1 7.9.2.2).
func unicodeString(s string) string {
	b := []byte("<FEFF")
	for _, unit := range utf16.Encode([]rune(s)) {
		b = fmt.Appendf(b, "%04X", unit)
	}
	return string(b) + ">"
}

// file puts the objects together: catalog, page tree, two fonts, information, then a page and its
// content for each page (ISO 32000-1 7.5).
func (t *typesetter) file(title, foot string) []byte {
	var b bytes.Buffer
	var offsets []int
	object := func(format string, args ...any) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n"+format+"\nendobj\n", append([]any{len(offsets)}, args...)...)
	}
	b.WriteString("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n")
	const first = 6 // object of the first page
	kids := ""
	for i := range t.pages {
		kids += fmt.Sprintf("%d 0 R ", first+2*i)
	}
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Count %d /Kids [ %s] >>", len(t.pages), kids)
	for _, name := range [...]string{"Helvetica", "Helvetica-Bold"} {
		object("<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>", name)
	}
	object("<< /Title %s /Producer (Aurelius) >>", unicodeString(title))
	for i, content := range t.pages {
		number := fmt.Sprintf("page %d of %d", i+1, len(t.pages))
		short, _ := fit(foot, 0, 8, pageWidth-2*margin-100)
		t.show(i, short, 0, 8, margin, margin/2)
		t.show(i, number, 0, 8, pageWidth-margin-measure(number, 0, 8), margin/2)
		object("<< /Type /Page /Parent 2 0 R /MediaBox [ 0 0 %d %d ] /Contents %d 0 R /Resources << /Font << /F0 3 0 R /F1 4 0 R >> >> >>",
			pageWidth, pageHeight, first+2*i+1)
		object("<< /Length %d >>\nstream\n%sendstream", content.Len(), content.Bytes())
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, xref)
	return b.Bytes()
}
