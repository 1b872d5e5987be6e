// Package document makes structured reports and key object selections readable (PS3.18 8.7.3.5,
// 8.7.4): an HTML page, a plain text, a PDF. All three are laid out once: containers are headings,
// runs of other items are tables of names and values, texts of a continuous container are
// paragraphs, items by reference point at what they name.
//
//	html   HTML5, UTF-8, self-contained, no script; Policy is a Content-Security-Policy for it
//	text   UTF-8, for logs, search and mail
//	pdf    the standard fonts of PDF, which have Latin text only: else errs.Unsupported
//
// Text of the object can be anything and stays text: it is escaped for HTML and PDF, and control
// characters are dropped. Encapsulated documents are rendered already; package iod/doc has them.
package document

import (
	"strings"
	"unicode"

	"github.com/aurelius-imaging/aurelius/dicom/iod"
	"github.com/aurelius-imaging/aurelius/dicom/iod/sr"
	"github.com/aurelius-imaging/aurelius/dicom/value"
)

// Options of a page. The zero value makes one without links.
type Options struct {
	// Link returns where an instance, or some of its frames, can be seen; "" where nowhere. Study
	// and series are given where the document says them.
	Link func(iod.Reference) string
}

// span is a piece of text: with something to say when the mouse rests on it, a place to go to, a
// name to be found by.
type span struct {
	Text, Title, Href, ID string
}

// row is a name and a value; Indent counts the rows it stands below.
type row struct {
	Label  span
	Value  []span
	Unit   span
	Number bool // align the value as one
	Indent int
}

type blockKind uint8

const (
	heading blockKind = iota
	rows
	paragraph
	grid
)

// block is a part of the page below the other.
type block struct {
	Kind  blockKind
	Level int    // of a heading: 2 to 6
	Spans []span // of headings and paragraphs
	Rows  []row
	Units bool // of rows: some have one
	Grid  [][]span
}

// page is a document laid out.
type page struct {
	Title, Language string
	Status          string
	Draft           bool // not complete and verified: say so visibly
	Head            []row
	Blocks          []block
	Foot            []row
}

// layout lays a document out.
func layout(d *sr.Document, o Options) *page {
	l := layouter{link: o.Link, where: map[string]iod.Reference{}, targets: map[*sr.Item]bool{}}
	for _, refs := range [...][]iod.Reference{d.Evidence, d.OtherEvidence} {
		for _, r := range refs {
			l.where[r.SOPInstanceUID] = r
		}
	}
	l.mark(d.Root)
	p := &l.page
	p.Title = d.Root.Label()
	if p.Title == "" {
		p.Title = d.Type()
	}
	p.Title = clean(p.Title)
	p.Language = language(d.Root)
	l.head(d)
	if d.Root.ValueType == sr.Container {
		l.container(d.Root, 2)
	} else {
		l.run([]*sr.Item{d.Root})
	}
	l.foot(d)
	return p
}

type layouter struct {
	page
	link    func(iod.Reference) string
	where   map[string]iod.Reference // study and series of instances
	targets map[*sr.Item]bool        // items that others refer to
}

func (l *layouter) mark(it *sr.Item) {
	if it.Target != nil {
		l.targets[it.Target] = true
	}
	for _, c := range it.Children {
		l.mark(c)
	}
}

// head says whom and what the document is about, who made it and what it is worth.
func (l *layouter) head(d *sr.Document) {
	add := func(label string, values ...string) {
		var there []string
		for _, v := range values {
			if v = clean(v); v != "" {
				there = append(there, v)
			}
		}
		if there != nil {
			l.Head = append(l.Head, row{Label: span{Text: label}, Value: []span{{Text: strings.Join(there, ", ")}}})
		}
	}
	add("Patient", personName(d.PatientName), sex(d.Sex), prefix("born ", date(d.BirthDate)), prefix("ID ", d.PatientID))
	add("Study", d.StudyDescription, date(d.StudyDate)+prefix(" ", clock(d.StudyTime)), prefix("accession number ", d.AccessionNumber))
	for _, c := range d.Procedures {
		add("Procedure", c.Meaning)
	}
	add("Referring physician", personName(d.ReferringPhysician))
	add("Series", d.SeriesDescription)
	add("Document", d.Type(), date(d.ContentDate)+prefix(" ", clock(d.ContentTime)))
	add("Made by", d.Manufacturer, d.Institution)
	for _, o := range d.Authors {
		add("Author", observer(o)...)
	}
	for _, o := range d.Participants {
		role := map[string]string{"SOURCE": "source", "ENT": "entered by", "ATTEST": "attested by"}[o.Role]
		add("Participant", append([]string{role}, observer(o)...)...)
	}
	for _, o := range d.Verifiers {
		add("Verified by", observer(o)...)
	}
	if !d.HasState {
		return
	}
	state := []string{"partial", "not verified"}
	if d.Complete {
		state[0] = "complete"
	}
	if d.Verified {
		state[1] = "verified"
	}
	if d.Preliminary {
		state = append(state, "preliminary")
	}
	l.Status, l.Draft = strings.Join(state, ", "), !d.Complete || !d.Verified || d.Preliminary
	add("Completion", d.CompletionDescription)
}

func observer(o sr.Observer) []string {
	return []string{personName(o.Name), o.Device, o.Organization, dateTime(o.DateTime)}
}

// foot says which other documents and instances belong to this one.
func (l *layouter) foot(d *sr.Document) {
	for _, g := range [...]struct {
		label string
		refs  []iod.Reference
	}{{"Replaces", d.Predecessors}, {"Identical to", d.Identical}} {
		for _, r := range g.refs {
			l.Foot = append(l.Foot, row{Label: span{Text: g.label}, Value: l.reference(r)})
		}
	}
	series := map[string]int{}
	var order []string
	for _, refs := range [...][]iod.Reference{d.Evidence, d.OtherEvidence} {
		for _, r := range refs {
			if series[r.SeriesInstanceUID]++; series[r.SeriesInstanceUID] == 1 {
				order = append(order, r.SeriesInstanceUID)
			}
		}
	}
	for _, uid := range order {
		l.Foot = append(l.Foot, row{Label: span{Text: "Evidence"}, Value: []span{{Text: plural(series[uid], "instance") + " of series"}, {Text: clean(uid)}}})
	}
}

// language returns the language of the document's text, English where it does not say (PS3.16
// TID 1204). What is no tag of BCP 47 is not believed.
func language(root *sr.Item) string {
	for _, c := range root.Children {
		if c.Concept.Is("121049", "DCM") && c.Code.Value != "" && len(c.Code.Value) < 36 &&
			strings.Trim(strings.ToLower(c.Code.Value), "abcdefghijklmnopqrstuvwxyz0123456789-") == "" {
			return c.Code.Value
		}
	}
	return "en"
}

// clean drops what is no text: control characters but line ends, which become \n, and tabs.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return strings.TrimSpace(s)
	}
	s = strings.NewReplacer("\r\n", "\n", "\n\r", "\n", "\r", "\n", "\f", "\n").Replace(s)
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// personName writes a PN as people read it; other representations follow in brackets.
func personName(s string) string {
	n := value.ParsePN(s)
	var out []string
	for _, c := range [...]value.NameComponents{n.Alphabetic, n.Ideographic, n.Phonetic} {
		given := strings.TrimSpace(c.Given + " " + c.Middle)
		name := c.Family
		if name != "" && given != "" {
			name += ", "
		}
		name += given
		for _, title := range [...]string{c.Prefix, c.Suffix} {
			if title != "" && name != "" {
				name += ", "
			}
			name += title
		}
		if name != "" {
			out = append(out, name)
		}
	}
	if len(out) > 1 {
		return out[0] + " (" + strings.Join(out[1:], ", ") + ")"
	}
	return strings.Join(out, "")
}

// date writes a DA as ISO 8601 does, and leaves alone what is none.
func date(s string) string {
	d, err := value.ParseDA(s)
	if err != nil {
		return s
	}
	s = d.String()
	return s[:4] + "-" + s[4:6] + "-" + s[6:]
}

// clock writes a TM to the second at most.
func clock(s string) string {
	t, err := value.ParseTM(s)
	if err != nil {
		return s
	}
	digits := t.String()
	out := digits[:2]
	for i := 2; i+2 <= min(len(digits), 6); i += 2 {
		out += ":" + digits[i:i+2]
	}
	return out
}

func dateTime(s string) string {
	d, err := value.ParseDT(s)
	if err != nil {
		return s
	}
	if d.Precision < value.Day {
		return d.String()
	}
	out := date(d.Date.String())
	if d.Precision >= value.Hour {
		out += " " + clock(d.Time.String())
	}
	if d.Zoned {
		zone := d.String()
		out += " " + zone[len(zone)-5:]
	}
	return out
}

func sex(s string) string {
	if name := map[string]string{"M": "male", "F": "female", "O": "other"}[s]; name != "" {
		return name
	}
	return s
}

// prefix puts something in front of what is there.
func prefix(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}
