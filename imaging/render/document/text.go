package document

import (
	"io"
	"strings"

	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// Text writes a document as plain text.
func Text(w io.Writer, d *sr.Document) error {
	var b strings.Builder
	for _, line := range layout(d, Options{}).lines() {
		b.WriteString(strings.Repeat("  ", line.indent))
		b.WriteString(line.text)
		b.WriteByte('\n')
		if line.level == 1 || line.level == 2 {
			b.WriteString(strings.Repeat(map[int]string{1: "=", 2: "-"}[line.level], len([]rune(line.text))))
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return errs.E(errs.KindOf(err), "document.Text", err)
}

// line is a line of what is not a page with tables. Level is that of a heading, 0 of text.
type line struct {
	text   string
	level  int
	indent int
}

// lines lays a page out without tables: one line for each name and value.
func (p *page) lines() []line {
	out := []line{{text: p.Title, level: 1}}
	add := func(text string, indent int) {
		for part := range strings.SplitSeq(text, "\n") {
			out = append(out, line{text: part, indent: indent})
		}
	}
	addRow := func(r row) {
		text := strings.TrimSpace(plain(r.Value) + " " + r.Unit.Text)
		if r.Label.Text != "" {
			text = strings.TrimSpace(r.Label.Text + ": " + text)
		}
		first, rest, more := strings.Cut(text, "\n")
		add(first, r.Indent)
		if more {
			add(rest, r.Indent+1)
		}
	}
	if p.Status != "" {
		add("["+p.Status+"]", 0)
	}
	for _, r := range p.Head {
		addRow(r)
	}
	for _, b := range p.Blocks {
		add("", 0)
		switch b.Kind {
		case heading:
			out = append(out, line{text: strings.ReplaceAll(plain(b.Spans), "\n", " "), level: b.Level})
			continue
		case paragraph:
			add(plain(b.Spans), 0)
		case rows:
			for _, r := range b.Rows {
				addRow(r)
			}
		case grid:
			for _, g := range b.Grid {
				cells := make([]string, len(g))
				for i, s := range g {
					cells[i] = strings.ReplaceAll(s.Text, "\n", " ")
				}
				add(strings.Join(cells, " | "), 0)
			}
		}
	}
	if len(p.Foot) > 0 {
		add("", 0)
	}
	for _, r := range p.Foot {
		addRow(r)
	}
	return out
}

func plain(spans []span) string {
	texts := make([]string, len(spans))
	for i, s := range spans {
		texts[i] = s.Text
	}
	return strings.Join(texts, " ")
}
